function results = run_tests()
%RUN_TESTS  Run the tests of +caffe/+test: nets, solvers, files. It clears all nets and solvers.
%   results = caffe.run_tests()   in MATLAB an array of matlab.unittest.TestResult, in Octave of structs
%
%   See also caffe.reset_all.
caffe.internal.octave_functions();
caffe.set_mode_cpu();
caffe.reset_all();
results = [run(caffe.test.test_net) run(caffe.test.test_solver) run(caffe.test.test_io)];
caffe.reset_all();
end
