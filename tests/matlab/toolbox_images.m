function tests = toolbox_images()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function file = given(name)
file = fullfile(getenv('CAFFE_TEST_FILES'), name);
end

function net = a_net(varargin)
net = caffe.import(given('small.prototxt'), given('small.caffemodel'), 'AverageImage', [30 20 10], 'scale', 0.5, varargin{:});
end

function test_resized_images()
e = expected();
check_equal(class(caffe.imresize(e.image, [5 4])), 'uint8');
check_equal(caffe.imresize(e.image, [5 4]), e.shrunk);
grown = caffe.imresize(e.image, [17 29], 'bicubic');
apart = abs(double(grown) - double(e.grown));
assert(max(apart(:)) <= 1 && mean(apart(:) > 0) < 0.01, sprintf('%d differ', nnz(apart))); % halves may fall either way
check_close(caffe.imresize(e.grey, [6 20], 'bilinear'), e.linear, 1e-10);
check_close(caffe.imresize(e.grey, [4 7], 'nearest'), e.nearest, 1e-10);
check_close(caffe.imresize(e.grey, 0.5), e.half, 1e-10);
check_close(caffe.imresize(single(e.grey), 0.5), single(e.half), 1e-4);
check_equal(caffe.imresize(e.grey, 1), e.grey);
check_equal(size(caffe.imresize(e.image, [22 NaN])), [22 28 3]);
check_equal(size(caffe.imresize(e.image, [NaN 7])), [6 7 3]);
check_equal(caffe.imresize(true(4), [2 2]), true(2));
flat = caffe.imresize(repmat(uint8(200), 480, 360), [256 256]);
check_equal(flat, repmat(uint8(200), 256, 256));
end

function test_sizes_that_make_no_image()
check_error(@() caffe.imresize(ones(3), [0 2]), 'caffe:argument', 'above 0');
check_error(@() caffe.imresize(ones(3), [NaN NaN]), 'caffe:argument', 'above 0');
check_error(@() caffe.imresize([], 2), 'caffe:argument', 'array of pixels');
check_error(@() caffe.imresize(ones(3), 2, 'best'), 'caffe:argument', '''best'' is no method');
end

function test_predictions_are_pythons()
e = expected();
net = a_net();
check_close(caffe.predict(net, e.pixels), e.prob, 1e-5);
check_close(caffe.predict(net, single(e.pixels), 'MiniBatchSize', 2), e.prob, 1e-5);
check_close(caffe.predict(net, e.pixels(:, :, :, 3)), e.prob(3, :), 1e-5);
check_equal(class(caffe.predict(net, double(e.pixels))), 'single');
end

function test_layers_are_pythons()
e = expected();
net = a_net();
check_close(caffe.activations(net, e.pixels, 'conv'), e.conv, 1e-4);
check_close(caffe.activations(net, e.pixels, 2, 'MiniBatchSize', 3), e.conv, 1e-4);
check_close(caffe.activations(net, e.pixels, 'relu'), e.conv, 1e-4);
rows = caffe.activations(net, e.pixels, 'conv', 'OutputAs', 'rows');
check_close(rows(4, :).', reshape(e.conv(:, :, :, 4), [], 1), 1e-4);
check_equal(caffe.activations(net, e.pixels, 'conv', 'OutputAs', 'columns'), rows.');
check_close(caffe.activations(net, e.pixels, 'score'), e.score, 1e-4);
check_close(caffe.activations(net, e.pixels, 'score', 'OutputAs', 'columns'), e.score.', 1e-4);
check_error(@() caffe.activations(net, e.pixels, 'nowhere'), 'caffe:argument', 'there is no blob ''nowhere''');
check_error(@() caffe.activations(net, e.pixels, 99), 'caffe:argument', 'number from 1 to');
check_error(@() caffe.activations(net, e.pixels, 'conv', 'OutputAs', 'x'), 'caffe:argument', 'OutputAs');
end

function test_classes_of_arrays()
e = expected();
net = a_net();
[labels, scores] = caffe.classify(net, e.pixels);
[~, wanted] = max(e.prob, [], 2);
check_equal(labels, wanted - 1);
check_close(scores, e.prob, 1e-5);
[labels, scores, best, files] = caffe.classify(net, e.pixels, 'TopK', 3);
check_equal(size(labels), [5 3]);
check_equal(labels(:, 1), wanted - 1);
sorted = sort(scores, 2, 'descend');
check_close(best, sorted(:, 1:3), 0);
check_equal(files, cell(0, 1));
end

function test_classes_by_name()
e = expected();
names = arrayfun(@(k) sprintf('thing %d, or so', k), 0:6, 'UniformOutput', false);
[~, wanted] = max(e.prob, [], 2);
check_equal(caffe.classify(a_net('Labels', given('labels.txt')), e.pixels), reshape(names(wanted), [], 1));
labels = caffe.classify(a_net(), e.pixels(:, :, :, 1), 'Labels', names, 'TopK', 2);
check_equal(labels(1), names(wanted(1)));
check_error(@() caffe.classify(a_net(), e.pixels, 'Labels', {'a', 'b'}), 'caffe:argument', '2 labels for 7 classes');
end

function test_images_of_files()
e = expected();
net = a_net();
[~, scores, ~, files] = caffe.classify(net, given('photos'));
check_close(scores, e.photos_prob, 1e-5);
[~, name] = fileparts(files{2});
check_equal(name, '1');
check_close(caffe.predict(net, fullfile(given('photos'), '2.png')), e.photos_prob(3, :), 1e-5);
check_close(caffe.predict(net, files([3 1])), e.photos_prob([3 1], :), 1e-5);
pictures = cellfun(@imread, files, 'UniformOutput', false); % of different sizes
check_close(caffe.predict(net, pictures), e.photos_prob, 1e-5);
end

function test_sizes_of_the_input()
e = expected();
n = caffe.import(given('small.prototxt'), given('small.caffemodel'), 'InputSize', [6 5]);
check_equal(n.blobs('data').shape(), [5 6 3 2]);
check_error(@() caffe.import(given('small.prototxt'), given('small.caffemodel'), 'InputSize', [8 8]), 'caffe:shape', 'score');
check_error(@() caffe.import('nowhere.prototxt'), 'caffe:missingFile', 'nowhere.prototxt does not exist');
check_error(@() a_net('Size', 3), 'caffe:argument', '''Size'' is no option; use one of AverageImage, ResizeTo');
check_error(@() a_net('Channels', 'XYZ'), 'caffe:argument', '''XYZ'' is no order');
check_error(@() caffe.predict(n, zeros(2, 2, 3, 1, 2)), 'caffe:argument', '5 axes');
check_error(@() caffe.predict(n, {}), 'caffe:argument', 'there are none');
check_error(@() caffe.predict(1, e.pixels), 'caffe:argument', 'net must be a caffe.Net');
check_error(@() caffe.classify(n, e.pixels, 'TopK', 8), 'caffe:argument', 'TopK must be 1 to 7');
check_error(@() caffe.classify(n, e.pixels, 'ExecutionEnvironment', 'x'), 'caffe:argument', 'auto, cpu or gpu');
end

function test_a_net_lives_as_long_as_its_variable()
net = a_net();
handle = net.handle_net;
clear net
check_error(@() caffe.internal.call('net_describe', handle), 'caffe:handle', 'released');
end
