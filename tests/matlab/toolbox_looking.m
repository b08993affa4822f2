function tests = toolbox_looking()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function file = given(name)
file = fullfile(getenv('CAFFE_TEST_FILES'), name);
end

function net = a_net()
net = caffe.import(given('square.prototxt'), given('square.caffemodel'), 'AverageImage', [30 20 10]);
end

function test_windows_are_pythons()
e = expected();
[boxes, scores, labels, all] = caffe.detect(a_net(), e.photo, e.boxes);
check_equal(boxes, e.boxes);
check_close(all, e.window_scores, 1e-4);
[best, place] = max(e.window_scores, [], 2);
check_close(scores, best, 1e-4);
check_equal(labels, place - 1);
[~, ~, ~, all] = caffe.detect(a_net(), given('photo.png'), e.boxes, 'ContextPad', 1);
check_close(all, e.context_scores, 1e-3);
end

function test_the_strongest_windows()
e = expected();
boxes = [e.boxes; e.boxes(2, :) + [0 0 1 0]];
[kept, scores] = caffe.detect(a_net(), e.photo, boxes, 'Overlap', 0.5, 'Labels', {'a', 'b', 'c'});
assert(issorted(flipud(scores)));
check_equal(size(kept, 1), size(e.boxes, 1));
[kept, ~, labels] = caffe.detect(a_net(), e.photo, boxes, 'Threshold', Inf);
check_equal(size(kept), [0 4]);
assert(isempty(labels));
[~, scores] = caffe.detect(a_net(), e.photo, boxes, 'Softmax', true);
assert(all(scores >= 1 / 3 & scores <= 1));
end

function test_windows_that_are_proposed()
e = expected();
boxes = caffe.detect(a_net(), e.photo);
assert(size(boxes, 1) > 0);
assert(all(boxes(:, 1) >= 1 & boxes(:, 1) + boxes(:, 3) - 1 <= size(e.photo, 2)));
assert(all(boxes(:, 2) >= 1 & boxes(:, 2) + boxes(:, 4) - 1 <= size(e.photo, 1)));
end

function test_windows_that_show_nothing()
e = expected();
check_error(@() caffe.detect(a_net(), e.photo, [100 100 5 5]), 'caffe:argument', 'shows nothing of an image');
check_error(@() caffe.detect(a_net(), e.photo, [1 2 3]), 'caffe:argument', 'rows of [x y width height]');
check_error(@() caffe.detect(a_net(), e.photo, e.boxes, 'ContextPad', 3), 'caffe:argument', 'less than half');
end

function test_maps_of_features()
e = expected();
points = caffe.embed(e.features);
check_close(points, e.components, 1e-8);
check_equal(size(caffe.embed(e.features, 'Dimensions', 3)), [40 3]);
images = repmat(reshape(uint8(0:20:140), [1 1 1 8]), [6 6 3 1]);
along = caffe.embed(a_net(), images, 'data', 'Dimensions', 1);
assert(issorted(along) || issorted(flipud(along)));
apart = caffe.embed(e.features, 'Method', 'tsne', 'Perplexity', 5);
check_equal(size(apart), [40 2]);
centres = [mean(apart(1:20, :)); mean(apart(21:40, :))];
assert(norm(centres(1, :) - centres(2, :)) > 2 * mean(std(apart(1:20, :))));
check_error(@() caffe.embed(e.features, 'Method', 'x'), 'caffe:argument', 'there is no method ''x''');
check_error(@() caffe.embed(e.features, 'Dimensions', 99), 'caffe:argument', '99 dimensions');
end

function test_filters()
net = a_net();
picture = caffe.plot_filters(net, 'conv');
check_equal(class(picture), 'uint8');
check_equal(size(picture), [2 + 2 * 41, 2 + 2 * 28, 3]); % 4 filters of 3 x 2, 13 times as large
weights = net.params('conv', 1).get_data();
red = weights(1, 1, 3, 1); % width, height, BGR
wanted = 255 * (red - min(weights(:))) / (max(weights(:)) - min(weights(:)));
check_close(double(picture(3, 3, 1)), double(round(wanted)), 1);
check_error(@() caffe.plot_filters(net, 'score'), 'caffe:argument', 'no width and height');
end

function ink = ink_of(file)
% Share of a picture that is not white.
picture = imread(file);
dark = any(picture < 200, 3);
ink = mean(dark(:));
end

function test_pictures_without_a_screen()
e = expected();
file = [tempname() '.png'];
caffe.plot_map(e.components, [ones(20, 1); 2 * ones(20, 1)], file);
assert(ink_of(file) > 0.005);
counts = caffe.plot_confusion({'a', 'b', 'a'}, {'a', 'a', 'a'}, file);
check_equal(counts, [2 0; 1 0]);
assert(ink_of(file) > 0.02);
caffe.plot_log(given('train.log'), file);
assert(ink_of(file) > 0.005);
nothing = nan(1, 5);
info = struct('TrainingLoss', 5:-1:1, 'TrainingAccuracy', nothing, 'ValidationLoss', nothing, ...
  'ValidationAccuracy', nothing, 'BaseLearnRate', 0.1 * ones(1, 5));
caffe.plot_log(info, file);
assert(ink_of(file) > 0.005);
options = caffe.trainingOptions('sgdm', 'MaxEpochs', 2, 'MiniBatchSize', 4, 'PlotFile', file, 'Verbose', false);
caffe.train(e.features, [ones(20, 1); 2 * ones(20, 1)], given('vector.prototxt'), options);
assert(ink_of(file) > 0.005);
check_equal(numel(get(0, 'Children')), 0);
check_error(@() caffe.plot_log(info, 'curves.doc'), 'caffe:argument', 'is no kind of picture');
check_error(@() caffe.plot_log('nowhere.log'), 'caffe:missingFile', 'nowhere.log');
end
