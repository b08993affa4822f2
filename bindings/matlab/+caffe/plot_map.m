function handle = plot_map(points, labels, file)
%CAFFE.PLOT_MAP  Points of caffe.embed as a picture, a colour for each label.
%   caffe.plot_map(points)
%   caffe.plot_map(points, labels)         labels: N names in a cell array, or numbers
%   handle = caffe.plot_map(points, labels, file)   and write it: .png, .pdf or .svg
%
%   See also caffe.embed.
if nargin < 2 || isempty(labels)
  labels = ones(size(points, 1), 1);
end
if nargin < 3
  file = '';
end
file = caffe.internal.text(file);
if isa(labels, 'categorical') || isa(labels, 'string')
  labels = cellstr(labels);
end
caffe.internal.check(isnumeric(points) && size(points, 2) == 2, 'points must be N x 2');
caffe.internal.check(numel(labels) == size(points, 1), 'there must be a label for each point');
[kinds, ~, which] = unique(labels(:));
handle = caffe.internal.new_figure('Map', isempty(file) && caffe.internal.has_screen());
axes_handle = axes('Parent', handle);
colours = caffe.internal.colours(numel(kinds));
drawn = [];
for k = 1:numel(kinds)
  own = points(which == k, :);
  drawn = [drawn, line(own(:, 1), own(:, 2), 'Parent', axes_handle, 'LineStyle', 'none', 'Marker', 'o', ...
    'MarkerSize', 4, 'MarkerFaceColor', colours(k, :), 'MarkerEdgeColor', colours(k, :), 'Color', colours(k, :))]; %#ok<AGROW>
end
axis(axes_handle, 'equal');
reach = max(max(points) - min(points)) * 0.04;
set(axes_handle, 'XLim', get(axes_handle, 'XLim') + [-reach reach], 'YLim', get(axes_handle, 'YLim') + [-reach reach]);
caffe.internal.light_grid(axes_handle);
if numel(kinds) > 1
  names = kinds;
  if ~iscell(names)
    names = arrayfun(@(each) sprintf('%g', each), kinds, 'UniformOutput', false);
  end
  legend(drawn, names, 'Location', 'eastoutside');
end
caffe.internal.finish_figure(handle, file);
end
