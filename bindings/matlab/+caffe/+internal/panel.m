function handle = panel(figure_handle, count, number)
%PANEL  Axes for one of several panels below each other, all of one width.
height = 0.97 / count;
handle = axes('Parent', figure_handle, 'Position', [0.1, 0.08 + (count - number) * height, 0.86, height - 0.08]);
end
