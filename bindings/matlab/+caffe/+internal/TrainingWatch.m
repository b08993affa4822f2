classdef TrainingWatch < handle
  %TRAININGWATCH  What a user sees of a training: table, plot, functions of their own; and the numbers.
  %   Rows of numbers come from caffe_sdk/bridge/training.py: epoch, iteration, seconds, loss, accuracy,
  %   rate, validation loss, validation accuracy.
  properties (SetAccess = private)
    chunk % iterations to ask for at a time
  end
  properties (Access = private)
    fit       % iterations and iterations of an epoch
    options
    rows      % one for each iteration
    before    % validation before the first iteration, [] when there is none to be shown
    plot      % caffe.internal.ProgressPlot, or []
    shown = 0 % iterations that the table's last row shows
  end
  methods
    function self = TrainingWatch(fit, options)
      self.fit = fit;
      self.options = options;
      self.rows = zeros(0, 8);
      self.before = [];
      self.chunk = 100;
      if options.Verbose
        self.chunk = double(options.VerboseFrequency);
      end
      if ~isempty(options.OutputFcn)
        self.chunk = 1;
      end
      self.plot = [];
      if ~isempty(options.PlotFile) || (strcmp(options.Plots, 'training-progress') && caffe.internal.has_screen())
        self.plot = caffe.internal.ProgressPlot(options, fit.iterations);
      end
    end
    function start(self)
      %START  Before the first iteration.
      if self.options.Verbose
        fprintf('%s', self.heading());
      end
      self.tell([], 'start');
    end
    function why = step(self, row)
      %STEP  A row of numbers came; says why the training shall stop, '' if it shall not.
      why = '';
      if isnan(row(4)) % a validation by itself
        if row(2) == 0
          self.before = row;
        else
          self.rows(row(2), 7:8) = row(7:8);
          self.print(self.rows(row(2), :));
        end
        return
      end
      if ~isempty(self.before) && isnan(row(7))
        row(7:8) = self.before(7:8);
      end
      self.before = [];
      self.rows(row(2), :) = row;
      frequent = mod(row(2), self.options.VerboseFrequency) == 0;
      if frequent || row(2) == 1 || row(2) == self.fit.iterations || ~isnan(row(7))
        self.print(row);
      end
      if self.tell(row, 'iteration')
        why = 'Stopped by OutputFcn';
      elseif ~isempty(self.plot) && self.plot.is_stopped()
        why = 'Stopped by user';
      end
    end
    function draw(self)
      %DRAW  Bring the plot up to date.
      if ~isempty(self.plot)
        self.plot.draw(self.rows);
      end
    end
    function info = finish(self, why)
      %FINISH  After the last iteration: the numbers as rows of a struct.
      if isempty(why)
        why = 'Max epochs completed';
      end
      if self.options.Verbose
        if ~isempty(self.rows) && self.shown ~= size(self.rows, 1)
          self.print(self.rows(end, :));
        end
        fprintf('%s\nTraining finished: %s.\n', self.line(), why);
      end
      info = struct('TrainingLoss', self.rows(:, 4).', 'TrainingAccuracy', 100 * self.rows(:, 5).', ...
        'ValidationLoss', self.rows(:, 7).', 'ValidationAccuracy', 100 * self.rows(:, 8).', ...
        'BaseLearnRate', self.rows(:, 6).', 'FinalValidationLoss', self.last(7), ...
        'FinalValidationAccuracy', 100 * self.last(8), 'StopReason', why);
      last = [];
      if ~isempty(self.rows)
        last = self.rows(end, :);
      end
      self.tell(last, 'done');
      if ~isempty(self.plot)
        self.plot.finish(self.rows);
      end
    end
  end
  methods (Access = private)
    function value = last(self, column)
      % The last number of a column that there is, NaN if none.
      value = NaN;
      found = find(~isnan(self.rows(:, column)), 1, 'last');
      if ~isempty(found)
        value = self.rows(found, column);
      end
    end
    function stop = tell(self, row, state)
      % Call the user's functions; whether one of them wants the end.
      stop = false;
      if isempty(self.options.OutputFcn)
        return
      end
      if isempty(row)
        row = nan(1, 8);
      end
      info = struct('Epoch', if_any(row(1)), 'Iteration', if_any(row(2)), 'TimeSinceStart', if_any(row(3)), ...
        'TrainingLoss', if_any(row(4)), 'ValidationLoss', if_any(row(7)), 'BaseLearnRate', if_any(row(6)), ...
        'TrainingAccuracy', if_any(100 * row(5)), 'ValidationAccuracy', if_any(100 * row(8)), 'State', state);
      for k = 1:numel(self.options.OutputFcn)
        call = self.options.OutputFcn{k};
        if nargout(call) == 0
          call(info);
        else
          wish = call(info);
          stop = stop || (~isempty(wish) && all(wish(:)));
        end
      end
    end
    function print(self, row)
      % A row of the table.
      if ~self.options.Verbose
        return
      end
      self.shown = row(2);
      time = floor(row(3));
      cells = {number('%d', row(1)), number('%d', row(2)), sprintf('%02d:%02d:%02d', floor(time / 3600), ...
        mod(floor(time / 60), 60), mod(time, 60)), number('%.2f%%', 100 * row(5)), number('%.2f%%', 100 * row(8)), ...
        number('%.4f', row(4)), number('%.4f', row(7)), number('%.4g', row(6))};
      widths = [7 11 14 12 12 12 12 15];
      text = '|';
      for k = find(self.columns())
        text = sprintf('%s %*s |', text, widths(k), cells{k});
      end
      fprintf('%s\n', text);
    end
    function shown = columns(self)
      % Which of the eight columns there are.
      accuracy = self.options.Classifies;
      validation = self.options.Validates;
      shown = logical([1 1 1 accuracy accuracy && validation 1 validation 1]);
    end
    function text = heading(self)
      % What stands over the table.
      first = {'Epoch', 'Iteration', 'Time Elapsed', 'Mini-batch', 'Validation', 'Mini-batch', 'Validation', ...
        'Base Learning'};
      second = {'', '', '(hh:mm:ss)', 'Accuracy', 'Accuracy', 'Loss', 'Loss', 'Rate'};
      widths = [7 11 14 12 12 12 12 15];
      rows = {'|', '|'};
      for k = find(self.columns())
        rows{1} = [rows{1} centred(first{k}, widths(k) + 2) '|'];
        rows{2} = [rows{2} centred(second{k}, widths(k) + 2) '|'];
      end
      text = sprintf('%s\n%s\n%s\n%s\n', self.line(), rows{1}, rows{2}, self.line());
    end
    function text = line(self)
      % A line as wide as the table.
      widths = [7 11 14 12 12 12 12 15];
      text = ['|' repmat('=', 1, sum(widths(self.columns()) + 3) - 1) '|'];
    end
  end
end

function value = if_any(value)
% [] for what there is none of, as MATLAB's own functions have it.
if isnan(value)
  value = [];
end
end

function text = number(form, value)
% A number as the table shows it; nothing for NaN.
text = '';
if ~isnan(value)
  text = sprintf(form, value);
end
end

function text = centred(text, width)
left = floor((width - numel(text)) / 2);
text = [repmat(' ', 1, left) text repmat(' ', 1, width - numel(text) - left)];
end
