function tests = toolbox_making()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function file = given(name)
file = fullfile(getenv('CAFFE_TEST_FILES'), name);
end

function n = lenet()
xavier = struct('type', 'xavier');
n = caffe.NetSpec();
[n.data, n.label] = caffe.layers.DummyData('shape', {struct('dim', [4 1 28 28]), struct('dim', 4)}, ...
  'transform_param', struct('scale', 0.5));
n.conv1 = caffe.layers.Convolution(n.data, 'kernel_size', 5, 'num_output', 20, 'weight_filler', xavier, ...
  'param', struct('lr_mult', {1, 2}));
n.pool1 = caffe.layers.Pooling(n.conv1, 'kernel_size', 2, 'stride', 2, 'pool', 'MAX');
n.ip1 = caffe.layers.InnerProduct(n.pool1, 'num_output', 50, 'weight_filler', xavier, 'bias_term', false);
n.relu1 = caffe.layers.ReLU(n.ip1, 'in_place', true);
hidden = caffe.layers.InnerProduct(n.relu1, 'num_output', 10, 'weight_filler', xavier);
n.('out/loss') = caffe.layers.SoftmaxWithLoss(hidden, n.label);
n.quiet = caffe.layers.Silence(n.pool1, 'ntop', 0);
end

function test_the_prototxt_is_pythons()
n = lenet();
check_equal(n.to_proto(), fileread(given('lenet.prototxt')));
check_equal(n.to_proto, fileread(given('lenet.prototxt')));
check_equal(n.names(), {'data'; 'label'; 'conv1'; 'pool1'; 'ip1'; 'relu1'; 'out/loss'; 'quiet'});
file = [tempname() '.prototxt'];
n.save(file);
check_equal(fileread(file), n.to_proto());
end

function test_a_net_of_it()
n = lenet();
net = n.net('train');
check_equal(net.blobs('pool1').shape(), [12 12 20 4]);
net.forward_prefilled();
assert(net.blobs('out/loss').get_data() > 0);
end

function test_types_of_ones_own()
n = caffe.NetSpec();
n.a = caffe.custom_layer('Marvel', 'name', 'x');
assert(~isempty(strfind(n.to_proto(), 'type: "Marvel"')));
end

function test_long_chains()
n = caffe.NetSpec();
n.top = caffe.layers.Input('shape', struct('dim', [1 2]));
for k = 1:300
  n.(sprintf('relu%d', k)) = caffe.layers.ReLU(n.top);
  n.top = n.(sprintf('relu%d', k));
end
check_equal(numel(strfind(n.to_proto(), 'type: "ReLU"')), 300);
end

function assign(name, value)
n = caffe.NetSpec();
n.(name) = value;
end

function test_what_makes_no_net()
n = caffe.NetSpec();
check_error(@() n.nowhere, 'caffe:argument', 'there is no top ''nowhere''');
check_error(@() assign('a', 3), 'caffe:argument', 'a must be what caffe.layers gives, it is a double');
check_error(@() caffe.layers.ReLU(1, 2, 3), 'caffe:argument', 'ReLU takes tops of other layers first');
n.data = caffe.layers.Input('shap', struct('dim', 3));
check_error(@() n.to_proto(), 'caffe:layer', 'did you mean ''shape''?');
end

function net = a_net()
net = caffe.import(given('small.prototxt'), given('small.caffemodel'), 'AverageImage', [30 20 10], 'ResizeTo', [8 7], ...
  'Labels', {'a', 'b', 'c', 'd', 'e', 'f', 'gross'});
end

function test_nets_in_mat_files()
net = a_net();
images = reshape(uint8(mod(1:12 * 9 * 3 * 4, 251)), [12 9 3 4]);
file = [tempname() '.mat'];
caffe.save_mat(net, file);
again = caffe.load_mat(file);
check_close(caffe.predict(again, images), caffe.predict(net, images), 0);
check_equal(caffe.classify(again, images), caffe.classify(net, images));
clear net again
content = load(file);
check_equal(content.caffe_net, 1);
check_equal({content.layers.name}, {'conv', 'score'});
check_equal({content.layers.type}, {'Convolution', 'InnerProduct'});
check_equal(size(content.layers(1).params{1}), [2 3 3 4]);
net = a_net();
check_equal(content.layers(1).params{1}, net.params('conv', 1).get_data());
check_equal(content.classes{7}, 'gross');
check_equal(double(content.preprocessing.resize), [8; 7]);
end

function test_weights_that_matlab_changed()
net = a_net();
file = [tempname() '.mat'];
caffe.save_mat(net, file);
content = load(file);
content.layers(2).params{2}(3) = 7;
save(file, '-v7', '-struct', 'content');
again = caffe.load_mat(file);
bias = again.params('score', 2).get_data();
check_equal(bias(3), single(7));
content.layers(2).params{2} = ones(9, 1);
save(file, '-v6', '-struct', 'content');
check_error(@() caffe.load_mat(file), 'caffe:shape', 'score');
end

function test_files_that_hold_no_net()
file = [tempname() '.mat'];
x = 1; %#ok<NASGU>
save(file, '-v6', 'x');
check_error(@() caffe.load_mat(file), 'caffe:corruptFile', 'is no net in a .mat file');
check_error(@() caffe.load_mat('nowhere.mat'), 'caffe:missingFile', 'nowhere.mat does not exist');
check_error(@() caffe.save_mat(1, file), 'caffe:argument', 'net must be a caffe.Net');
check_error(@() caffe.save_mat(a_net(), '/nowhere/net.mat'), 'caffe:write', '/nowhere/net.mat');
end
