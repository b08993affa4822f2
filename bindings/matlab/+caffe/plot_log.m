function handle = plot_log(log, file)
%CAFFE.PLOT_LOG  Curves of a training: loss, scores and learning rate.
%   caffe.plot_log(log)          the log of caffe train, its --metrics file, or what caffe.train gave: info
%   handle = caffe.plot_log(log, file)   and write it: .png, .pdf or .svg
%
%   Example
%     [net, info] = caffe.train(X, Y, 'lenet.prototxt', options);
%     caffe.plot_log(info, 'curves.png')
%
%   See also caffe.train, caffe.plot_filters.
if nargin < 2
  file = '';
end
file = caffe.internal.text(file);
log = caffe.internal.text(log);
if isstruct(log)
  curves = of_training(log);
else
  caffe.internal.check(ischar(log), 'log must be a file, or the info of caffe.train');
  caffe.internal.check_file(log);
  curves = caffe.internal.call('read_curves', log);
end
quantities = cellfun(@(curve) curve.quantity, curves, 'UniformOutput', false);
panels = {'loss', 'score', 'learning rate'};
panels = panels(ismember(panels, quantities));
handle = caffe.internal.new_figure('Training', isempty(file) && caffe.internal.has_screen(), numel(panels));
for k = 1:numel(panels)
  panel = caffe.internal.panel(handle, numel(panels), k);
  shown = curves(strcmp(quantities, panels{k}));
  draw(panel, panels{k}, shown);
end
xlabel(panel, 'iteration');
caffe.internal.finish_figure(handle, file);
end

function draw(panel, name, curves)
% The curves of one panel.
colours = caffe.internal.colours(numel(curves));
drawn = [];
lowest = Inf;
highest = 0;
for k = 1:numel(curves)
  curve = curves{k};
  marker = 'none';
  if strcmp(curve.phase, 'test')
    marker = 'o';
  end
  drawn = [drawn, line(curve.iterations, curve.values, 'Parent', panel, 'Color', colours(k, :), 'LineWidth', 1.2, ...
    'Marker', marker, 'MarkerSize', 4)]; %#ok<AGROW>
  positive = curve.values(curve.values > 0);
  lowest = min([lowest positive]);
  highest = max([highest positive]);
end
if ~strcmp(name, 'score') && highest > 30 * lowest
  set(panel, 'YScale', 'log', 'YLim', [lowest / 1.5, highest * 1.5]);
end
caffe.internal.light_grid(panel);
ylabel(panel, name);
corner = 'northeast'; % where curves that fall are not
if strcmp(name, 'score')
  corner = 'southeast';
  span = [min(cellfun(@(curve) min(curve.values), curves)), max(cellfun(@(curve) max(curve.values), curves))];
  set(panel, 'YLim', span + max(diff(span), 1e-6) * [-0.05 0.05]);
end
if ~strcmp(name, 'learning rate')
  legend(drawn, strrep(cellfun(@(curve) curve.label, curves, 'UniformOutput', false), '_', ' '), ...
    'Location', corner);
end
end

function curves = of_training(info)
% The curves of what caffe.train gave.
caffe.internal.check(isfield(info, 'TrainingLoss'), 'info must be what caffe.train gave');
given = {'TrainingLoss', 'loss', 'train', 'train loss'; 'ValidationLoss', 'loss', 'test', 'validation loss'; ...
  'TrainingAccuracy', 'score', 'train', 'train accuracy (%)'; ...
  'ValidationAccuracy', 'score', 'test', 'validation accuracy (%)'; ...
  'BaseLearnRate', 'learning rate', 'train', 'learning rate'};
curves = cell(0, 1);
for k = 1:size(given, 1)
  values = info.(given{k, 1});
  there = find(~isnan(values));
  if ~isempty(there)
    curves{end + 1, 1} = struct('quantity', given{k, 2}, 'phase', given{k, 3}, 'label', given{k, 4}, ...
      'iterations', there, 'values', values(there)); %#ok<AGROW>
  end
end
end
