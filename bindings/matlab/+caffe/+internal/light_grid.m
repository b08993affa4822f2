function light_grid(axes)
%LIGHT_GRID  A grid that does not drown the curves, whatever draws it.
set(axes, 'XGrid', 'on', 'YGrid', 'on', 'Box', 'on', 'GridColor', [0.85 0.85 0.85], 'GridAlpha', 1);
end
