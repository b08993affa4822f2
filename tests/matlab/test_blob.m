function tests = test_blob()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function [blob, net] = a_blob(varargin)
file = input_net_file(varargin{:});
net = caffe.Net(file, 'test');
blob = net.blobs('data');
delete(file);
end

function test_data_and_diff()
[blob, net] = a_blob([5 2 3 4]); %#ok<ASGLU>
blob.set_data(10 * ones(blob.shape));
check_equal(blob.get_data(), 10 * ones(blob.shape, 'single'));
blob.set_diff(-2 * ones(blob.shape));
check_equal(blob.get_diff(), -2 * ones(blob.shape, 'single'));
check_equal(blob.get_data(), 10 * ones(blob.shape, 'single'));
end

function test_order_of_the_axes()
[blob, net] = a_blob([2 3 4 5]);
data = reshape(single(1:120), [5 4 3 2]);
blob.set_data(data);
check_equal(blob.get_data(), data);
net.forward_prefilled();
check_equal(net.blobs('relu').get_data(), data);
end

function test_numbers_of_axes()
sizes = {[], [7 1], [3 4], [5 4 3], [6 5 4 3], [2 3 4 3 2 5]};
shapes = {zeros(1, 0), 7, [3 4], [5 4 3], [6 5 4 3], [2 3 4 3 2 5]};
sizes{1} = [1 1];
for k = 1:numel(shapes)
  [blob, net] = a_blob(fliplr(shapes{k})); %#ok<ASGLU>
  check_equal(blob.shape(), shapes{k});
  data = reshape(single(1:prod(sizes{k})), sizes{k});
  blob.set_data(data);
  check_equal(blob.get_data(), data);
end
end

function test_trailing_ones()
[blob, net] = a_blob([1 1 3 4]); %#ok<ASGLU>
check_equal(blob.shape, [4 3 1 1]);
data = reshape(single(1:12), [4 3]);
blob.set_data(data);
check_equal(blob.get_data(), data);
[blob, net] = a_blob([5 1 1 1]); %#ok<ASGLU>
check_equal(blob.shape, [1 1 1 5]);
check_equal(size(blob.get_data()), [1 1 1 5]);
end

function test_reshape()
[blob, net] = a_blob([5 2 3 4]);
blob.reshape([6 5 4 3 2 1]);
check_equal(blob.shape, [6 5 4 3 2 1]);
check_equal(size(blob.get_data()), [6 5 4 3 2]);
blob.reshape([]);
check_equal(blob.shape, zeros(1, 0));
check_equal(size(blob.get_data()), [1 1]);
blob.reshape(int32([4 3 2 5]));
net.reshape();
check_equal(net.blobs('relu').shape, [4 3 2 5]);
for wrong = {[4; 3], 'abc', {4}, [1.5 2], [-1 2], ones(1, 2, 2), NaN}
  check_error(@() blob.reshape(wrong{1}), 'caffe:argument', 'shape must be a integer row vector');
end
end

function test_classes_become_single()
[blob, net] = a_blob([2 3]); %#ok<ASGLU>
for make = {@double, @single, @int8, @uint8, @int16, @uint16, @int32, @uint32, @int64, @uint64}
  blob.set_data(make{1}([1 2; 3 4; 5 6]));
  check_equal(blob.get_data(), single([1 2; 3 4; 5 6]));
end
check_error(@() blob.set_data(true(3, 2)), 'caffe:argument', 'data or diff must be numeric types');
check_error(@() blob.set_diff('ab'), 'caffe:argument', 'data or diff must be numeric types');
check_error(@() blob.set_data({1}), 'caffe:argument', 'data or diff must be numeric types');
end

function test_sizes_must_agree()
[blob, net] = a_blob([2 3 4 5]); %#ok<ASGLU>
words = 'input data/diff size does not match target blob shape, input data/diff size: ';
check_error(@() blob.set_data(zeros(4, 5, 3, 2)), 'caffe:shape', ...
  [words '[ 4 5 3 2 ] vs target blob shape: [ 5 4 3 2 ]']);
check_error(@() blob.set_diff(0), 'caffe:shape', [words '[ 1 1 1 1 ] vs target blob shape: [ 5 4 3 2 ]']);
check_error(@() blob.set_data(zeros(5, 4, 3, 2, 2)), 'caffe:shape', [words '[ 5 4 3 2 2 ] vs target']);
check_error(@() blob.set_data([]), 'caffe:shape', [words '[ 0 0 1 1 ] vs target']);
[blob, net] = a_blob(3); %#ok<ASGLU>
check_error(@() blob.set_data([1 2 3]), 'caffe:shape', [words '[ 1 3 ] vs target blob shape: [ 3 1 ]']);
end

function test_special_values()
[blob, net] = a_blob(4); %#ok<ASGLU>
data = single([NaN; Inf; -Inf; -0]);
blob.set_data(data);
got = blob.get_data();
check_equal(typecast(got(2:4), 'uint32'), typecast(data(2:4), 'uint32'));
assert(isnan(got(1)));
end

function test_20_megabytes()
[blob, net] = a_blob([5 1000 1000]); %#ok<ASGLU>
data = reshape(single(1:5e6), [1000 1000 5]);
blob.set_data(data);
check_equal(blob.get_data(), data);
bridge = caffe.internal.connection();
check_equal({dir(fullfile(bridge.folder, '*.mat')).name}, {'r.mat'});
end

function test_what_a_blob_is_made_of()
check_error(@() caffe.Blob(), 'caffe:argument', 'invalid Blob handle');
check_error(@() caffe.Blob('a', 'b'), 'caffe:argument', 'invalid Blob handle');
check_error(@() caffe.Layer(), 'caffe:argument', 'invalid Layer handle');
end

function test_surgery()
file = test_net_file();
net = caffe.Net(file, 'test');
weights = net.params('ip', 1).get_data();
weights(:, 2) = 0;
net.params('ip', 1).set_data(weights);
bias = net.layers('ip').params(2).get_data();
bias(2) = 42;
net.layers('ip').params(2).set_data(bias);
net.forward_prefilled();
got = net.blobs('ip').get_data();
check_equal(got(2, :), single([42 42 42 42 42]));
end
