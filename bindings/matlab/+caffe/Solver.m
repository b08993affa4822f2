classdef Solver < handle
  %CAFFE.SOLVER  Trains a network as a solver prototxt says.
  %   solver = caffe.Solver(solver_file)
  %
  %   Properties, read-only: net, test_nets (caffe.Net; they live as long as the solver).
  %   The solver's log is printed while it trains; Ctrl-C stops it after the iteration it is at.
  %
  %   Example
  %     solver = caffe.Solver('lenet_solver.prototxt');
  %     solver.step(100);
  %     solver.net.save('lenet.caffemodel');
  %
  %   See also caffe.Net.
  properties (SetAccess = private)
    net       % the net that is trained
    test_nets % 1 x T caffe.Net
  end
  properties (Access = private)
    handle_solver % what the bridge calls this solver, [] when it was deleted
  end
  methods
    function self = Solver(varargin)
      caffe.internal.check(nargin == 1, 'usage: solver = get_solver(solver_file)');
      solver_file = varargin{1};
      caffe.internal.check(ischar(solver_file), 'solver_file must be a string');
      caffe.internal.check_file(solver_file);
      description = caffe.internal.call('solver_create', solver_file);
      self.handle_solver = description.solver;
      self.net = caffe.Net(description.net);
      test_nets = cell(1, numel(description.test_nets));
      for k = 1:numel(test_nets)
        test_nets{k} = caffe.Net(description.test_nets{k});
      end
      self.test_nets = caffe.internal.object_row('caffe.Net', test_nets);
    end
    function delete(self)
      %DELETE  Let go of the solver and its nets. A second delete does nothing.
      if ~isempty(self.handle_solver)
        caffe.internal.release(self.handle_solver);
        self.handle_solver = [];
      end
    end
    function iterations = iter(self)
      %ITER  How many iterations were made.
      iterations = caffe.internal.call('solver_iter', self.handle_solver);
    end
    function iterations = max_iter(self)
      %MAX_ITER  How many iterations solve() trains to.
      iterations = caffe.internal.call('solver_max_iter', self.handle_solver);
    end
    function restore(self, snapshot_filename)
      %RESTORE  Go on from a solverstate. A solver on a server has it there.
      caffe.internal.check(ischar(snapshot_filename), 'snapshot_filename must be a string');
      bridge = caffe.internal.connection();
      if isempty(bridge.server)
        caffe.internal.check_file(snapshot_filename);
      end
      caffe.internal.call('solver_restore', self.handle_solver, snapshot_filename);
    end
    function solve(self)
      %SOLVE  Train to max_iter.
      guard = onCleanup(@caffe.internal.cancel); %#ok<NASGU> runs on Ctrl-C too
      caffe.internal.call('solver_solve', self.handle_solver);
    end
    function step(self, iters)
      %STEP  Train for so many iterations more.
      caffe.internal.check(isnumeric(iters) && isscalar(iters) && iters > 0, 'iters must be positive integer');
      guard = onCleanup(@caffe.internal.cancel); %#ok<NASGU> runs on Ctrl-C too
      caffe.internal.call('solver_step', self.handle_solver, double(iters));
    end
  end
end
