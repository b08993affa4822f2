function [counts, kinds] = plot_confusion(truth, found, file)
%CAFFE.PLOT_CONFUSION  Which classes are taken for which.
%   [counts, kinds] = caffe.plot_confusion(truth, found)
%   ... = caffe.plot_confusion(truth, found, file)   and write it: .png, .pdf or .svg
%   truth and found are N labels each, names in cell arrays or numbers. counts(i, j) is how often class
%   kinds(i) was taken for kinds(j).
%
%   See also caffe.classify.
if nargin < 3
  file = '';
end
file = caffe.internal.text(file);
if isa(truth, 'categorical') || isa(truth, 'string')
  truth = cellstr(truth);
end
caffe.internal.check(numel(truth) == numel(found) && iscell(truth) == iscell(found), ...
  'truth and found must be as many labels of one class');
kinds = unique([truth(:); found(:)]);
[~, rows] = ismember(truth(:), kinds);
[~, columns] = ismember(found(:), kinds);
counts = accumarray([rows columns], 1, numel(kinds) * [1 1]);
handle = caffe.internal.new_figure('Confusion', isempty(file) && caffe.internal.has_screen());
panel = axes('Parent', handle);
shares = counts ./ max(1, sum(counts, 2));
imagesc(panel, shares, [0 1]);
colormap(panel, interp1([0; 1], [1 1 1; 0 0.45 0.70], linspace(0, 1, 64).'));
names = kinds;
if ~iscell(names)
  names = arrayfun(@(each) sprintf('%g', each), kinds, 'UniformOutput', false);
end
axis(panel, 'image');
set(panel, 'XTick', 1:numel(kinds), 'YTick', 1:numel(kinds), 'XTickLabel', names, 'YTickLabel', names, 'YDir', 'reverse');
xlabel(panel, 'found');
ylabel(panel, 'true');
if numel(kinds) <= 20
  [i, j] = find(counts);
  for k = 1:numel(i)
    shade = [0 0 0] + (shares(i(k), j(k)) > 0.5);
    text(j(k), i(k), sprintf('%d', counts(i(k), j(k))), 'Parent', panel, 'Color', shade, ...
      'HorizontalAlignment', 'center', 'FontSize', 9);
  end
end
caffe.internal.finish_figure(handle, file);
end
