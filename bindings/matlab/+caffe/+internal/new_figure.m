function handle = new_figure(name, visible, panels)
%NEW_FIGURE  A white figure for so many panels; Octave without a screen draws with gnuplot.
if nargin < 3
  panels = 2;
end
if caffe.internal.is_octave() && ~have_window_system()
  caffe.internal.check(any(strcmp(available_graphics_toolkits(), 'gnuplot')), ...
    'plots need a screen, or gnuplot (Debian: apt install gnuplot-nox fonts-freefont-otf)');
  before = warning('off', 'Octave:gnuplot-graphics');
  restore = onCleanup(@() warning(before));
  graphics_toolkit('gnuplot');
end
shown = 'off';
if visible
  shown = 'on';
end
handle = figure('Name', name, 'NumberTitle', 'off', 'Color', 'w', 'Visible', shown, ...
  'Position', [100 100 800 100 + 250 * panels], 'PaperPositionMode', 'auto');
end
