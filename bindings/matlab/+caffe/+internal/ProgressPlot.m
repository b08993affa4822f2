classdef ProgressPlot < handle
  %PROGRESSPLOT  The figure of a training: accuracy above, loss below, and a button that stops it.
  %   Without a screen the figure is not shown, only written to a file if one is named.
  properties (Access = private)
    figure
    axes
    lines   % handles: accuracy and its validation, loss and its validation
    file    % picture to write at the end, '' for none
    stopped = false
    visible
  end
  methods
    function self = ProgressPlot(options, iterations)
      self.file = options.PlotFile;
      self.visible = strcmp(options.Plots, 'training-progress') && caffe.internal.has_screen();
      panels = 1 + options.Classifies;
      self.figure = caffe.internal.new_figure('Training progress', self.visible, panels);
      self.axes = [];
      if options.Classifies
        self.axes = self.panel(panels, 1, iterations, 'Accuracy (%)');
        set(self.axes, 'YLim', [0 100]);
      end
      self.axes = [self.axes, self.panel(panels, panels, iterations, 'Loss')];
      xlabel(self.axes(end), 'Iteration');
      self.lines = [];
      for k = 1:numel(self.axes)
        training = line(NaN, NaN, 'Parent', self.axes(k), 'Color', [0 0.45 0.70], 'LineWidth', 1, ...
          'Marker', 'none');
        validation = line(NaN, NaN, 'Parent', self.axes(k), 'Color', [0.84 0.37 0], 'LineWidth', 1.5, ...
          'Marker', 'o', 'MarkerSize', 4);
        self.lines = [self.lines; training, validation];
      end
      if options.Validates
        legend(self.axes(1), {'Training', 'Validation'}, 'Location', 'southeast');
      end
      if self.visible
        uicontrol(self.figure, 'Style', 'pushbutton', 'String', 'Stop', 'Units', 'normalized', ...
          'Position', [0.88 0.005 0.1 0.05], 'Callback', @(varargin) self.stop());
      end
    end
    function draw(self, rows)
      %DRAW  Show these rows of numbers.
      if ~ishghandle(self.figure) || isempty(rows)
        return % the user closed it
      end
      columns = [4 7];
      factor = 1;
      if numel(self.axes) == 2
        columns = [5 8; 4 7];
        factor = [100; 1];
      end
      for k = 1:numel(self.axes)
        set(self.lines(k, 1), 'XData', rows(:, 2), 'YData', factor(k) * rows(:, columns(k, 1)));
        judged = ~isnan(rows(:, columns(k, 2)));
        if any(judged)
          set(self.lines(k, 2), 'XData', rows(judged, 2), 'YData', factor(k) * rows(judged, columns(k, 2)));
        end
      end
      if self.visible
        drawnow();
      end
    end
    function answer = is_stopped(self)
      %IS_STOPPED  Whether the button was pressed.
      answer = self.stopped;
    end
    function finish(self, rows)
      %FINISH  Draw what is last, write the picture.
      self.draw(rows);
      if ishghandle(self.figure) && ~isempty(self.file)
        caffe.internal.save_figure(self.figure, self.file);
      end
      if ishghandle(self.figure) && ~self.visible
        close(self.figure);
      end
    end
  end
  methods (Access = private)
    function stop(self)
      self.stopped = true;
    end
    function handle = panel(self, count, number, iterations, name)
      % Axes for one kind of curve.
      handle = caffe.internal.panel(self.figure, count, number);
      set(handle, 'XLim', [0 max(1, iterations)]);
      caffe.internal.light_grid(handle);
      ylabel(handle, name);
    end
  end
end
