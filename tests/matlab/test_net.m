function tests = test_net()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function net = a_net()
file = test_net_file();
net = caffe.Net(file, 'train');
delete(file);
end

function test_properties()
net = a_net();
check_equal(net.inputs, {'data'; 'label'});
check_equal(net.outputs, {'loss'});
check_equal(net.layer_names, {'data'; 'label'; 'conv'; 'ip'; 'loss'});
check_equal(net.blob_names, {'data'; 'label'; 'conv'; 'ip'; 'loss'});
check_equal(size(net.layer_vec), [1 5]);
check_equal(size(net.blob_vec), [1 5]);
check_equal(net.name2layer_index('ip'), 4);
check_equal(net.name2blob_index('conv'), 3);
check_equal(net.layer_vec(3).type(), 'Convolution');
check_equal(net.blob_vec(1).shape, [4 3 2 5]);
end

function test_properties_cannot_be_set()
net = a_net();
failed = false;
try
  net.inputs = {};
catch
  failed = true;
end
assert(failed);
end

function test_inserted_split_layers_are_told()
file = write_text('layer { name: "in" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 } } }', ...
  'layer { name: "r1" type: "ReLU" bottom: "a" top: "b" }', 'layer { name: "r2" type: "ReLU" bottom: "a" top: "c" }');
net = caffe.Net(file, 'test');
check_equal(net.layer_names, {'in'; 'a_in_0_split'; 'r1'; 'r2'});
check_equal(net.blob_names, {'a'; 'a_in_0_split_0'; 'a_in_0_split_1'; 'b'; 'c'});
check_equal(net.layers('a_in_0_split').type, 'Split');
check_equal(net.outputs, {'b'; 'c'});
end

function test_shapes_of_parameters()
net = a_net();
check_equal(net.params('conv', 1).shape, [2 2 2 11]);
check_equal(net.layers('conv').params(2).shape, 11);
check_equal(size(net.layers('conv').params), [1 2]);
check_equal(length(net.layers('loss').params), 0);
end

function test_forward_sets_runs_and_gives()
file = write_text('layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }', ...
  'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4 } }');
net = caffe.Net(file, 'test');
weights = single(reshape(1:12, 3, 4) / 7); % 3 inputs, 4 outputs
bias = single([1; -2; 3; -4]);
net.params('ip', 1).set_data(weights);
net.params('ip', 2).set_data(bias);
x = single([1 4; 2 5; -3 6.5]); % 3 inputs, 2 in the batch
result = net.forward({x});
check_equal(size(result), [1 1]);
check_equal(class(result{1}), 'single');
check_close(result{1}, weights' * x + [bias bias], 1e-4);
check_equal(net.blobs('x').get_data(), x);
check_equal(net.blobs('y').get_data(), result{1});
end

function test_convolution_element_by_element()
net = a_net();
data = reshape(single(1:120) / 50 - 1, [4 3 2 5]);
net.blobs('data').set_data(data);
net.forward_prefilled();
weights = net.params('conv', 1).get_data(); % [kw kh channels outputs]
bias = net.params('conv', 2).get_data();
padded = zeros(10, 9, 2, 5);
padded(4:7, 4:6, :, :) = data;
wanted = zeros(9, 8, 11, 5);
for n = 1:5
  for o = 1:11
    for h = 1:8
      for w = 1:9
        wanted(w, h, o, n) = sum(sum(sum(padded(w:w + 1, h:h + 1, :, n) .* double(weights(:, :, :, o))))) + bias(o);
      end
    end
  end
end
check_close(net.blobs('conv').get_data(), wanted, 1e-4);
end

function test_forward_is_one_round_trip()
net = a_net();
bridge = caffe.internal.connection();
before = bridge.sequence;
net.forward({zeros(4, 3, 2, 5), zeros(5, 1)});
check_equal(bridge.sequence - before, 1);
blob = net.blobs('data');
blob.set_data(zeros(4, 3, 2, 5));
blob.get_data();
check_equal(bridge.sequence - before, 3);
end

function test_forward_refuses_what_does_not_fit()
net = a_net();
check_error(@() net.forward(1), 'caffe:argument', 'input_data must be a cell array');
check_error(@() net.forward({1}), 'caffe:argument', 'input data cell length must match input blob number');
check_error(@() net.forward({'abc', 1}), 'caffe:argument', 'data or diff must be numeric types');
check_error(@() net.forward({zeros(3, 4, 2, 5), zeros(5, 1)}), 'caffe:shape', ...
  ['input data/diff size does not match target blob shape, ' ...
  'input data/diff size: [ 3 4 2 5 ] vs target blob shape: [ 4 3 2 5 ]']);
end

function test_backward_gives_the_gradient()
file = write_text('force_backward: true', ...
  'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }', ...
  'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 4 } }');
net = caffe.Net(file, 'train');
weights = single(reshape(1:12, 3, 4));
net.params('ip', 1).set_data(weights);
net.forward({single([1 4; 2 5; 3 6])});
diff = single([1 0; 0 1; 2 0; 0 -1]);
result = net.backward({diff});
check_equal(size(result), [1 1]);
check_close(result{1}, weights * diff, 1e-4);
check_equal(net.blobs('x').get_diff(), result{1});
check_error(@() net.backward(diff), 'caffe:argument', 'output_diff must be a cell array');
check_error(@() net.backward({}), 'caffe:argument', 'output diff cell length must match output blob number');
end

function test_forward_and_backward_prefilled()
net = a_net();
net.forward_prefilled();
net.backward_prefilled();
assert(any(reshape(net.params('ip', 1).get_diff(), [], 1) ~= 0));
end

function test_reshape()
net = a_net();
net.blobs('data').reshape([4 3 2 7]);
net.blobs('label').reshape(7);
net.reshape();
check_equal(net.blobs('conv').shape, [9 8 11 7]);
check_equal(net.blobs('ip').shape, [13 7]);
net.forward({ones(4, 3, 2, 7), zeros(7, 1)});
end

function test_names_are_looked_up()
net = a_net();
check_error(@() net.layers(1), 'caffe:argument', 'layer_name must be a string');
check_error(@() net.blobs(1), 'caffe:argument', 'blob_name must be a string');
check_error(@() net.params({}, 1), 'caffe:argument', 'layer_name must be a string');
check_error(@() net.params('conv', [1 2]), 'caffe:argument', 'blob_index must be a scalar');
for action = {@() net.layers('nobody'), @() net.blobs('nobody'), @() net.params('conv', 3)}
  failed = false;
  try
    action{1}();
  catch
    failed = true;
  end
  assert(failed);
end
end

function test_save_and_copy_from()
net = a_net();
weights_file = [tempname() '.caffemodel'];
net.save(weights_file);
second = a_net();
assert(~isequal(second.params('conv', 1).get_data(), net.params('conv', 1).get_data()));
second.copy_from(weights_file);
model_file = test_net_file();
third = caffe.Net(model_file, weights_file, 'train');
for l = 1:length(net.layer_vec)
  for k = 1:length(net.layer_vec(l).params)
    check_equal(second.layer_vec(l).params(k).get_data(), net.layer_vec(l).params(k).get_data());
    check_equal(third.layer_vec(l).params(k).get_data(), net.layer_vec(l).params(k).get_data());
  end
end
check_error(@() net.copy_from('nowhere.caffemodel'), 'caffe:missingFile', 'nowhere.caffemodel does not exist');
check_error(@() net.copy_from(1), 'caffe:argument', 'weights_file must be a string');
check_error(@() net.save(1), 'caffe:argument', 'weights_file must be a string');
check_error(@() net.save('/nowhere/at/all.caffemodel'), 'caffe:write', '/nowhere/at/all.caffemodel');
end

function test_what_a_net_is_made_of()
file = test_net_file();
usage = ['usage: net = get_net(model_file, phase_name) or ' ...
  'net = get_net(model_file, weights_file, phase_name)'];
check_error(@() caffe.Net(file), 'caffe:argument', usage);
check_error(@() caffe.get_net(file, 'a', 'test', 'more'), 'caffe:argument', usage);
check_error(@() caffe.Net(1, 'test'), 'caffe:argument', 'model_file must be a string');
check_error(@() caffe.Net(file, 1), 'caffe:argument', 'phase_name must be a string');
check_error(@() caffe.Net(file, 1, 'test'), 'caffe:argument', 'weights_file must be a string');
check_error(@() caffe.Net('no such file', 'test'), 'caffe:missingFile', 'no such file does not exist');
check_error(@() caffe.Net(file, 'no weights', 'test'), 'caffe:missingFile', 'no weights does not exist');
check_error(@() caffe.Net(file, 'both'), 'caffe:argument', 'phase_name can only be ''train'' or ''test''');
check_error(@() caffe.Net(struct('a', 1)), 'caffe:argument', 'invalid Net handle');
net = caffe.get_net(file, 'test');
check_equal(class(net), 'caffe.Net');
end

function test_phases()
file = write_text('layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 } } }', ...
  'layer { name: "only" type: "ReLU" bottom: "x" top: "y" include { phase: TRAIN } }');
train = caffe.Net(file, 'train');
test = caffe.Net(file, 'test');
check_equal(train.outputs, {'y'});
check_equal(test.outputs, {'x'});
end

function test_a_deleted_net_is_gone()
net = a_net();
blob = net.blobs('data');
net.delete();
net.delete();
check_error(@() net.forward_prefilled(), 'caffe:handle', 'it was released or never made');
check_error(@() blob.get_data(), 'caffe:handle', 'it was released or never made');
end

function test_nets_are_released_with_their_variables()
evalc('caffe.reset_all()');
a = a_net();
b = a_net(); %#ok<NASGU>
scope();
try
  scope_with_error();
catch
end
a = a_net(); %#ok<NASGU>
clear b
check_equal(evalc('caffe.reset_all()'), sprintf('Cleared 0 solvers and 1 stand-alone nets\n'));
clear a
end

function scope()
net = a_net();
net.forward_prefilled();
end

function scope_with_error()
net = a_net();
net.forward(1);
end

function test_odd_names()
name = 'conv ''1'' "2" /é 図 %d \n';
escaped = strrep(strrep(name, '\', '\\'), '"', '\"');
file = write_text('layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }', ...
  ['layer { name: "' escaped '" type: "InnerProduct" bottom: "x" top: "' escaped '" ' ...
  'inner_product_param { num_output: 4 } }']);
net = caffe.Net(file, 'test');
check_equal(net.layer_names{2}, name);
check_equal(net.outputs, {name});
check_equal(net.layers(name).type(), 'InnerProduct');
check_equal(net.params(name, 1).shape, [3 4]);
check_equal(net.blobs(name).shape, [4 2]);
end

function test_odd_paths()
folder = [tempname() ' it''s "é" 図'];
mkdir(folder);
model_file = fullfile(folder, 'model $HOME.prototxt');
stream = fopen(model_file, 'w');
fwrite(stream, fileread(test_net_file()));
fclose(stream);
net = caffe.Net(model_file, 'test');
weights_file = fullfile(folder, 'weights %d.caffemodel');
net.save(weights_file);
net.copy_from(weights_file);
here = cd(folder);
restore = onCleanup(@() cd(here));
again = caffe.Net('model $HOME.prototxt', 'weights %d.caffemodel', 'test');
check_equal(again.params('ip', 1).get_data(), net.params('ip', 1).get_data());
end
