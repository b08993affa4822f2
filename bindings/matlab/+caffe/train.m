function [net, info] = train(varargin)
%CAFFE.TRAIN  Train a net, on arrays or as a solver prototxt says.
%   [net, info] = caffe.train(X, Y, model, options, Name, Value, ...)
%   [net, info] = caffe.train(file, model, options, ...)
%   [net, info] = caffe.train(solver_file, options)
%   X is H x W x C x N, images in RGB or grey or whatever else, of any numeric class; or N x features.
%   Y is what to learn: names in a cell array or whole numbers, then the net classifies; or other numbers,
%   N x outputs or H x W x C x N, then it comes near to them. A .mat file has both as its X and Y.
%   model is a prototxt file, the text of one, or a caffe.NetSpec; its data layers give way to X and Y,
%   and a loss is added if it has none. Or it is a caffe.Net: then training begins with its weights and
%   prepares X as that net does. options are those of caffe.trainingOptions.
%     'Scale'         what X is multiplied with, after                                     default: 1
%     'AverageImage'  this was subtracted: H x W x C, or a number for each channel   default: nothing
%     'Task'          'classification' or 'regression', if Y does not tell it
%     'Weights'       a caffemodel to begin with: layers of the same names take its weights
%
%   net is a caffe.Net for use: caffe.classify(net, X) prepares X as it was in training, and gives the
%   labels of Y. info is a struct of rows with a value for each iteration, NaN where there is none:
%   TrainingLoss, TrainingAccuracy (percent), ValidationLoss, ValidationAccuracy, BaseLearnRate; and
%   FinalValidationLoss, FinalValidationAccuracy, and why the training ended: StopReason.
%   Ctrl-C ends the training at once; caffe.trainingOptions has gentler ways.
%
%   Example
%     options = caffe.trainingOptions('adam', 'MaxEpochs', 2, 'Plots', 'training-progress');
%     [net, info] = caffe.train(X, Y, 'lenet.prototxt', options, 'Scale', 1 / 256);
%     accuracy = mean(caffe.classify(net, Xtest) == Ytest)
%
%   See also caffe.trainingOptions, caffe.classify, caffe.Solver.
caffe.internal.check(nargin > 0, 'usage: caffe.train(X, Y, model, options) or caffe.train(solver_file, options)');
[begin, options] = beginning(cellfun(@caffe.internal.text, varargin, 'UniformOutput', false));
caffe.internal.compute_on(options.ExecutionEnvironment);
guard = onCleanup(@caffe.internal.cancel); %#ok<NASGU> runs on Ctrl-C too
fit = begin();
closing = onCleanup(@() caffe.internal.release_fit(fit.fit)); %#ok<NASGU>
watch = caffe.internal.TrainingWatch(fit, options);
watch.start();
done = false;
while ~done
  result = caffe.internal.call('fit_advance', fit.fit, watch.chunk);
  done = result.done;
  for k = 1:size(result.steps, 1)
    why = watch.step(result.steps(k, :));
    if ~isempty(why) && ~done
      caffe.internal.call('fit_stop', fit.fit, why);
    end
  end
  watch.draw();
end
info = watch.finish(result.why);
net = caffe.Net(caffe.internal.call('fit_net', fit.fit));
end

function [begin, options] = beginning(given)
% What makes the bridge begin, and the options that are for this side.
if ischar(given{1}) && ~is_mat(given{1})
  caffe.internal.check_file(given{1});
  if numel(given) > 1
    options = given{2};
  else
    options = caffe.trainingOptions('sgdm');
  end
  check_options(options);
  options.Classifies = true;
  options.Validates = true;
  begin = @() caffe.internal.call('fit_solver', given{1});
  return
end
if ischar(given{1})
  caffe.internal.check_file(given{1});
  data = load(given{1});
  caffe.internal.check(isfield(data, 'X') && isfield(data, 'Y'), [given{1} ' must have the variables X and Y']);
  given = [{data.X, data.Y}, given(2:end)];
end
caffe.internal.check(numel(given) >= 4, 'usage: caffe.train(X, Y, model, options)');
[X, Y, model, options] = given{1:4};
check_options(options);
own = struct('Scale', [], 'AverageImage', [], 'Task', 'auto', 'Weights', '');
own = caffe.internal.options(own, given(5:end));
told = caffe.internal.given(rmfield(options, {'OutputFcn', 'Plots', 'PlotFile', 'ValidationData'}));
told = with_fields(told, caffe.internal.given(rmfield(own, 'Task')));
[targets, classes] = targets_of(Y, own.Task, []);
options.Classifies = ~isempty(classes);
options.Validates = ~isempty(options.ValidationData);
if options.Classifies
  told.Classes = classes;
end
if options.Validates
  told.ValidationX = pixels(options.ValidationData{1});
  told.ValidationY = targets_of(options.ValidationData{2}, own.Task, classes);
end
begin = @() caffe.internal.call('fit_arrays', text_of(model), pixels(X), targets, told);
end

function check_options(options)
caffe.internal.check(isstruct(options) && isfield(options, 'GradientThreshold'), ...
  'options must be what caffe.trainingOptions gives');
end

function yes = is_mat(file)
[~, ~, ending] = fileparts(file);
yes = strcmpi(ending, '.mat');
end

function X = pixels(X)
caffe.internal.check(isnumeric(X) || islogical(X), 'X must be an array of numbers');
end

function text = text_of(model)
% The prototxt of a net: a file's name, or its text; or the handle of a net that there is.
if isa(model, 'caffe.Net')
  text = model.handle_net;
  return
end
if isa(model, 'caffe.NetSpec')
  model = model.to_proto();
end
caffe.internal.check(ischar(model), 'model must be a prototxt file, a caffe.NetSpec or a caffe.Net');
if ~any(model == '{')
  caffe.internal.check_file(model);
end
text = model;
end

function told = with_fields(told, others)
names = fieldnames(others);
for k = 1:numel(names)
  told.(names{k}) = others.(names{k});
end
end

function [targets, classes] = targets_of(Y, task, classes)
% Numbers of classes from 0 and what they stand for; or values and no classes.
if isa(Y, 'categorical') || isa(Y, 'string')
  Y = cellstr(Y);
end
caffe.internal.check(iscellstr(Y) || isnumeric(Y) || islogical(Y), 'Y must be names of classes, or numbers');
if strcmp(task, 'auto')
  task = 'regression';
  if iscell(Y) || (isvector(Y) && all(Y(:) == floor(Y(:))))
    task = 'classification';
  end
end
if strcmp(task, 'regression')
  targets = single(Y);
  if isvector(targets)
    targets = targets(:);
  end
  classes = zeros(0, 1);
  return
end
caffe.internal.check(strcmp(task, 'classification'), 'Task can be classification or regression');
if ~iscell(Y)
  Y = double(Y(:));
end
if isempty(classes)
  classes = unique(Y(:));
end
[known, targets] = ismember(Y(:), classes);
caffe.internal.check(all(known), 'ValidationData has classes that Y does not have');
targets = single(targets(:) - 1);
end
