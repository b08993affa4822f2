function handle = new_figure(name, visible)
%NEW_FIGURE  A white figure; Octave without a screen draws with gnuplot.
if caffe.internal.is_octave() && ~have_window_system()
  caffe.internal.check(any(strcmp(available_graphics_toolkits(), 'gnuplot')), ...
    'plots need a screen, or gnuplot (Debian: apt install gnuplot-nox fonts-freefont-otf)');
  graphics_toolkit('gnuplot');
end
shown = 'off';
if visible
  shown = 'on';
end
handle = figure('Name', name, 'NumberTitle', 'off', 'Color', 'w', 'Visible', shown);
end
