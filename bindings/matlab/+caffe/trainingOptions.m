function options = trainingOptions(solver, varargin)
%CAFFE.TRAININGOPTIONS  How caffe.train trains, under MATLAB's names.
%   options = caffe.trainingOptions(solver, Name, Value, ...)
%   solver is 'sgdm', 'adam' or 'rmsprop', or of Caffe's 'nesterov', 'adagrad', 'adadelta'.
%
%     'MaxEpochs' 30, 'MiniBatchSize' 128, 'Shuffle' 'once' ('never', 'every-epoch')
%     'InitialLearnRate'      0.01; 0.001 with adam and rmsprop; 1 with adadelta
%     'LearnRateSchedule'     'none', or 'piecewise': times 'LearnRateDropFactor' (0.1) after every
%                             'LearnRateDropPeriod' (10) epochs
%     'Momentum'              0.9 (sgdm, nesterov)
%     'GradientDecayFactor'   0.9 (adam; adadelta 0.95)
%     'SquaredGradientDecayFactor'  0.999 (rmsprop 0.9)
%     'Epsilon'               1e-8
%     'L2Regularization'      1e-4
%     'GradientThreshold'     Inf; of all gradients together: 'GradientThresholdMethod' 'global-l2norm'
%     'ValidationData'        {X, Y}, with 'ValidationFrequency' 50 iterations and
%                             'ValidationPatience' Inf: so many times no better loss end the training
%     'OutputNetwork'         'last-iteration', or 'best-validation'
%     'Verbose' true, 'VerboseFrequency' 50 iterations
%     'Plots'                 'none', or 'training-progress'; 'PlotFile' is a picture of it to write
%     'OutputFcn'             a function, or several in a cell array, called with a struct before, after
%                             each iteration and at the end; one that returns true stops the training
%     'CheckpointPath'        a folder for snapshots, 'CheckpointFrequency' 1 epoch
%     'ExecutionEnvironment'  'auto', 'cpu' or 'gpu'
%     'Seed'                  a whole number: the same numbers again; -1 leaves them to chance
%
%   Example
%     options = caffe.trainingOptions('sgdm', 'MaxEpochs', 4, 'ValidationData', {Xtest, Ytest});
%     [net, info] = caffe.train(X, Y, 'lenet.prototxt', options);
%
%   See also caffe.train.
if nargin > 0
  solver = caffe.internal.text(solver);
end
known = {'sgdm', 'adam', 'rmsprop', 'nesterov', 'adagrad', 'adadelta'};
caffe.internal.check(nargin > 0 && ischar(solver) && any(strcmpi(solver, known)), ...
  ['solver must be one of ' strjoin(known, ', ')]);
solver = lower(solver);
rates = [0.01 0.001 0.001 0.01 0.01 1];
decay = 0.9;
squared = 0.999;
if strcmp(solver, 'adadelta')
  decay = 0.95;
elseif strcmp(solver, 'rmsprop')
  squared = 0.9;
end
options = struct('Momentum', 0.9, 'GradientDecayFactor', decay, 'SquaredGradientDecayFactor', squared, ...
  'Epsilon', 1e-8, 'InitialLearnRate', rates(strcmp(solver, known)), 'LearnRateSchedule', 'none', ...
  'LearnRateDropFactor', 0.1, 'LearnRateDropPeriod', 10, 'L2Regularization', 1e-4, ...
  'GradientThresholdMethod', 'global-l2norm', 'GradientThreshold', Inf, 'MaxEpochs', 30, 'MiniBatchSize', 128, ...
  'Verbose', true, 'VerboseFrequency', 50, 'ValidationData', [], 'ValidationFrequency', 50, ...
  'ValidationPatience', Inf, 'Shuffle', 'once', 'CheckpointPath', '', 'CheckpointFrequency', 1, ...
  'ExecutionEnvironment', 'auto', 'OutputFcn', [], 'Plots', 'none', 'PlotFile', '', ...
  'OutputNetwork', 'last-iteration', 'Seed', -1);
options = caffe.internal.options(options, varargin);
options.Solver = solver;
one_of(options, 'Shuffle', {'once', 'never', 'every-epoch'});
one_of(options, 'LearnRateSchedule', {'none', 'piecewise'});
one_of(options, 'Plots', {'none', 'training-progress'});
one_of(options, 'OutputNetwork', {'last-iteration', 'best-validation', 'best-validation-loss'});
one_of(options, 'GradientThresholdMethod', {'global-l2norm'});
data = options.ValidationData;
caffe.internal.check(isempty(data) || (iscell(data) && numel(data) == 2), 'ValidationData must be {X, Y}');
if ~isempty(options.OutputFcn) && ~iscell(options.OutputFcn)
  options.OutputFcn = {options.OutputFcn};
end
end

function one_of(options, name, values)
caffe.internal.check(ischar(options.(name)) && any(strcmp(options.(name), values)), ...
  [name ' must be one of ' strjoin(values, ', ')]);
end
