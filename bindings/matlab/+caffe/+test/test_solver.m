classdef test_solver < matlab.unittest.TestCase
  %TEST_SOLVER  Tests of caffe.Solver.
  properties
    solver
  end
  methods
    function self = test_solver()
      model_file = caffe.test.test_net.simple_net_file(13);
      solver_file = [tempname() '.prototxt'];
      stream = fopen(solver_file, 'w');
      fprintf(stream, 'net: "%s" test_iter: 10 test_interval: 10 base_lr: 0.01 momentum: 0.9\n', model_file);
      fprintf(stream, 'weight_decay: 0.0005 lr_policy: "inv" gamma: 0.0001 power: 0.75 display: 100\n');
      fprintf(stream, 'max_iter: 100 snapshot_after_train: false\n');
      fclose(stream);
      self.solver = caffe.get_solver(solver_file);
      delete(solver_file);
      delete(model_file);
    end
  end
  methods (Test)
    function test_solve(self)
      self.verifyEqual(self.solver.iter(), 0);
      self.solver.step(30);
      self.verifyEqual(self.solver.iter(), 30);
      self.solver.solve();
      self.verifyEqual(self.solver.iter(), 100);
    end
    function test_nets(self)
      self.verifyClass(self.solver.net, 'caffe.Net');
      self.verifyClass(self.solver.test_nets(1), 'caffe.Net');
      self.verifyEqual(self.solver.test_nets(1).blobs('data').shape, [4 3 2 5]);
    end
  end
end
