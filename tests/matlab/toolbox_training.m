function tests = toolbox_training()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function file = given(name)
file = fullfile(getenv('CAFFE_TEST_FILES'), name);
end

function options = quick(varargin)
options = caffe.trainingOptions('sgdm', 'MaxEpochs', 3, 'MiniBatchSize', 8, 'InitialLearnRate', 0.1, ...
  'L2Regularization', 0.001, 'Seed', 5, 'Verbose', false, varargin{:});
end

function test_defaults_are_matlabs()
options = caffe.trainingOptions('sgdm');
check_equal([options.Momentum options.InitialLearnRate options.L2Regularization], [0.9 0.01 1e-4]);
check_equal([options.MaxEpochs options.MiniBatchSize options.VerboseFrequency options.ValidationFrequency], [30 128 50 50]);
check_equal([options.GradientThreshold options.ValidationPatience], [Inf Inf]);
check_equal({options.Shuffle, options.Plots, options.ExecutionEnvironment, options.LearnRateSchedule}, ...
  {'once', 'none', 'auto', 'none'});
check_equal([options.LearnRateDropFactor options.LearnRateDropPeriod options.CheckpointFrequency], [0.1 10 1]);
adam = caffe.trainingOptions('Adam', 'maxepochs', 2);
check_equal([adam.InitialLearnRate adam.SquaredGradientDecayFactor adam.Epsilon adam.MaxEpochs], [0.001 0.999 1e-8 2]);
rmsprop = caffe.trainingOptions('rmsprop');
check_equal(rmsprop.SquaredGradientDecayFactor, 0.9);
check_error(@() caffe.trainingOptions('lbfgs'), 'caffe:argument', 'solver must be one of sgdm, adam');
check_error(@() caffe.trainingOptions('sgdm', 'Shuffle', 'x'), 'caffe:argument', 'Shuffle must be one of once');
check_error(@() caffe.trainingOptions('sgdm', 'ValidationData', 3), 'caffe:argument', '{X, Y}');
check_error(@() caffe.trainingOptions('sgdm', 'MaxEpochs'), 'caffe:argument', 'pairs');
end

function test_losses_are_pythons()
e = expected();
[net, info] = caffe.train(e.X, e.Y, given('small.prototxt'), quick('ValidationData', {e.X(:, :, :, 1:9), e.Y(1:9)}, ...
  'ValidationFrequency', 4, 'LearnRateSchedule', 'piecewise', 'LearnRateDropPeriod', 2, 'GradientThreshold', 3), ...
  'Scale', 0.01, 'AverageImage', [100 110 120]);
check_close(info.TrainingLoss, e.losses.', 1e-6);
check_close(info.BaseLearnRate, e.rates.', 1e-6);
check_close(info.TrainingAccuracy, 100 * e.accuracies.', 1e-6);
check_equal(find(~isnan(info.ValidationLoss)), [1 4 8 12 15]);
check_close(info.FinalValidationLoss, e.validation_loss, 1e-6);
check_equal(info.StopReason, 'Max epochs completed');
check_equal(class(net), 'caffe.Net');
check_close(caffe.predict(net, e.X), e.trained_prob, 1e-5); % X is prepared as in training
check_equal(mean(caffe.classify(net, e.X(:, :, :, 1:9)) == e.Y(1:9)) * 100, info.FinalValidationAccuracy);
end

function test_names_of_classes()
e = expected();
names = {'red', 'green', 'blue'};
[net, info] = caffe.train(e.X, names(e.Y / 10), given('small.prototxt'), quick('MaxEpochs', 20), 'Scale', 0.01);
labels = caffe.classify(net, e.X);
assert(mean(strcmp(labels, names(e.Y / 10).')) > 0.9);
assert(all(ismember(labels, names)));
check_equal(numel(info.TrainingLoss), 100);
end

function test_a_mat_file_and_a_solver_of_caffe_only()
e = expected();
X = e.X; %#ok<NASGU>
Y = e.Y; %#ok<NASGU>
file = [tempname() '.mat'];
save(file, '-v6', 'X', 'Y');
options = caffe.trainingOptions('nesterov', 'MaxEpochs', 2, 'MiniBatchSize', 20, 'Seed', 1, 'Verbose', false);
[~, info] = caffe.train(file, fileread(given('small.prototxt')), options, 'Scale', 0.01);
[~, again] = caffe.train(e.X, e.Y, given('small.prototxt'), options, 'Scale', 0.01);
check_equal(info.TrainingLoss, again.TrainingLoss);
options.Solver = 'adam';
[~, other] = caffe.train(e.X, e.Y, given('small.prototxt'), options, 'Scale', 0.01);
check_equal(other.TrainingLoss(1), info.TrainingLoss(1)); % the same weights to begin with
assert(other.TrainingLoss(2) ~= info.TrainingLoss(2));
end

function test_values_to_come_near_to()
X = reshape(single(mod(1:400, 17)) / 8 - 1, 40, 10);
Y = single(X(:, 1:2) * [1 2; 3 4]);
net = ['layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 10 } } } ' ...
  'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 ' ...
  'weight_filler { type: "xavier" } } }'];
options = quick('MaxEpochs', 60, 'InitialLearnRate', 0.02, 'L2Regularization', 0);
[net, info] = caffe.train(X, Y, net, options);
assert(info.TrainingLoss(end) < info.TrainingLoss(1) / 20);
assert(all(isnan(info.TrainingAccuracy)));
check_equal(size(caffe.predict(net, X)), [40 2]);
worst = max(max(abs(caffe.predict(net, X) - Y)));
assert(worst < 0.5, sprintf('%g', worst));
one = caffe.NetSpec();
one.data = caffe.layers.Input('shape', struct('dim', [1 10]));
one.value = caffe.layers.InnerProduct(one.data, 'num_output', 1, 'weight_filler', struct('type', 'xavier'));
[net, info] = caffe.train(X, Y(:, 1).', one, options);
assert(info.TrainingLoss(end) < info.TrainingLoss(1) / 20);
check_equal(size(caffe.predict(net, X)), [40 1]);
end

function stop = remember(info)
% An OutputFcn that keeps what it is told, and ends a training at iteration 4.
global told
told{end + 1} = info;
stop = isequal(info.Iteration, 4);
end

function test_functions_of_the_user()
global told
told = {};
e = expected();
[~, info] = caffe.train(e.X, e.Y, given('small.prototxt'), quick('OutputFcn', @remember), 'Scale', 0.01);
check_equal(cellfun(@(each) each.State, told, 'UniformOutput', false), ...
  {'start', 'iteration', 'iteration', 'iteration', 'iteration', 'done'});
check_equal(fieldnames(told{2}).', {'Epoch', 'Iteration', 'TimeSinceStart', 'TrainingLoss', 'ValidationLoss', ...
  'BaseLearnRate', 'TrainingAccuracy', 'ValidationAccuracy', 'State'});
check_equal(told{3}.Iteration, 2);
check_equal(told{3}.TrainingLoss, info.TrainingLoss(2));
check_equal(told{3}.ValidationLoss, []);
check_equal(numel(info.TrainingLoss), 4);
check_equal(info.StopReason, 'Stopped by OutputFcn');
end

function test_patience()
e = expected();
options = quick('ValidationData', {e.X, circshift(e.Y, 1)}, 'ValidationFrequency', 1, 'ValidationPatience', 2, ...
  'MaxEpochs', 50, 'OutputNetwork', 'best-validation');
[net, info] = caffe.train(e.X, e.Y, given('small.prototxt'), options, 'Scale', 0.01);
check_equal(info.StopReason, 'Met validation criterion');
assert(numel(info.TrainingLoss) < 250);
scores = caffe.predict(net, e.X);
found = mean(-log(scores(sub2ind(size(scores), 1:numel(e.Y), circshift(e.Y, 1).' / 10))));
check_close(found, min(info.ValidationLoss), 1e-4);
end

function test_the_table()
e = expected();
options = quick('Verbose', true, 'VerboseFrequency', 5, 'ValidationData', {e.X, e.Y}, 'ValidationFrequency', 10);
said = evalc('[net, info] = caffe.train(e.X, e.Y, given(''small.prototxt''), options, ''Scale'', 0.01);');
lines = strsplit(strtrim(said), char(10));
check_equal(numel(lines), 10);
check_equal(lines{1}, ['|' repmat('=', 1, 118) '|']);
check_equal(lines{2}, ['|  Epoch  |  Iteration  |  Time Elapsed  |  Mini-batch  |  Validation  |  Mini-batch  ' ...
  '|  Validation  |  Base Learning  |']);
assert(~isempty(regexp(lines{5}, '^\|       1 \|           1 \|       00:00:0\d \| +[\d.]+% \| +[\d.]+% \| +[\d.]+ \| +[\d.]+ \| +0.1 \|$')));
check_equal(numel(unique(cellfun(@numel, lines(1:9)))), 1);
check_equal(lines{10}, 'Training finished: Max epochs completed.');
end

function test_checkpoints_and_weights_to_begin_with()
e = expected();
folder = tempname();
mkdir(folder);
[~, info] = caffe.train(e.X, e.Y, given('small.prototxt'), quick('CheckpointPath', folder), 'Scale', 0.01);
files = dir(fullfile(folder, '*.caffemodel'));
check_equal(numel(files), 3);
last = fullfile(folder, 'net_checkpoint__iter_15.caffemodel');
[~, more] = caffe.train(e.X, e.Y, given('small.prototxt'), quick(), 'Scale', 0.01, 'Weights', last);
assert(more.TrainingLoss(1) < info.TrainingLoss(1));
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt'), quick('CheckpointPath', 'nowhere')), 'caffe:write', 'is no folder');
end

function test_training_goes_on_from_a_net()
e = expected();
[net, info] = caffe.train(e.X, e.Y, given('small.prototxt'), quick(), 'Scale', 0.01, 'AverageImage', [100 110 120]);
[net, more] = caffe.train(e.X, e.Y, net, quick('InitialLearnRate', 1e-6, 'MaxEpochs', 1));
assert(mean(more.TrainingLoss) < info.TrainingLoss(1) / 2);
check_equal(mean(caffe.classify(net, e.X) == e.Y) > 0.8, true);
end

function test_a_solver_file()
here = pwd();
back = onCleanup(@() cd(here));
cd(getenv('CAFFE_TEST_FILES'));
options = caffe.trainingOptions('sgdm', 'VerboseFrequency', 2);
said = evalc('[net, info] = caffe.train(''solver.prototxt'', options);');
e = expected();
check_close(info.TrainingLoss, e.solver_losses, 1e-6);
check_equal(find(~isnan(info.ValidationLoss)), [1 3 6]);
assert(~isempty(strfind(said, '|           6 |')));
check_equal(net.inputs, {'x'});
check_equal(net.blobs('prob').shape(), [3 4]);
end

function test_trainings_that_cannot_be()
e = expected();
check_error(@() caffe.train('nowhere.mat', given('small.prototxt'), quick()), 'caffe:missingFile', 'nowhere.mat');
check_error(@() caffe.train(), 'caffe:argument', 'usage');
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt')), 'caffe:argument', 'usage');
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt'), 3), 'caffe:argument', 'trainingOptions gives');
check_error(@() caffe.train(e.X, e.Y, 'nowhere.prototxt', quick()), 'caffe:missingFile', 'nowhere.prototxt');
check_error(@() caffe.train(e.X, e.Y(1:3), given('small.prototxt'), quick()), 'caffe:argument', '40 items and 3 targets');
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt'), quick('MiniBatchSize', 99)), 'caffe:argument', 'mini-batches of 99');
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt'), quick('ValidationData', {e.X, e.Y + 1})), ...
  'caffe:argument', 'classes that Y does not have');
check_error(@() caffe.train(e.X, e.Y, given('small.prototxt'), quick('GradientThreshold', 0)), 'caffe:argument', 'above 0');
check_equal(caffe.internal.call('fit_close', 0), []);
check_error(@() caffe.internal.call('fit_net', 0), 'caffe:handle', 'no such training');
end
