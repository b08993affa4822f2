function tests = test_solver()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function [file, prefix] = solver_file(varargin)
prefix = tempname();
file = write_text(['net: "' test_net_file() '"'], ['snapshot_prefix: "' prefix '"'], ...
  'test_iter: 2 test_interval: 50 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 random_seed: 3', ...
  'lr_policy: "inv" gamma: 0.0001 power: 0.75 display: 20 max_iter: 100 snapshot_after_train: false', varargin{:});
end

function solver = a_solver(varargin)
solver = caffe.Solver(solver_file(varargin{:}));
fill(solver.net);
fill(solver.test_nets(1));
end

function fill(net)
net.blobs('data').set_data(reshape(single(mod(1:120, 11)) / 5 - 1, [4 3 2 5]));
net.blobs('label').set_data([1; 3; 5; 7; 9]);
end

function test_iter_step_and_solve()
solver = a_solver();
check_equal(solver.iter(), 0);
check_equal(solver.iter, 0);
check_equal(solver.max_iter(), 100);
evalc('solver.step(30)');
check_equal(solver.iter(), 30);
evalc('solver.solve()');
check_equal(solver.iter(), 100);
end

function test_nets_of_a_solver()
solver = a_solver();
check_equal(class(solver.net), 'caffe.Net');
check_equal(size(solver.test_nets), [1 1]);
check_equal(solver.test_nets(1).blobs('data').shape, [4 3 2 5]);
solver.net.delete(); % belongs to the solver: nothing happens
evalc('solver.step(1)');
before = solver.net.params('ip', 1).get_data();
evalc('solver.step(1)');
assert(~isequal(solver.net.params('ip', 1).get_data(), before));
end

function test_the_loss_goes_down()
solver = a_solver();
solver.net.forward_prefilled();
before = solver.net.blobs('loss').get_data();
evalc('solver.step(60)');
solver.net.forward_prefilled();
assert(solver.net.blobs('loss').get_data() < before / 2);
end

function test_the_log_is_printed()
solver = a_solver(); %#ok<NASGU>
log = evalc('solver.step(41)');
found = regexp(log, 'Iteration (\d+) \([^)]*\), loss = [\d.e+-]+\n', 'tokens');
check_equal([found{:}], {'0', '20', '40'});
assert(~isempty(regexp(log, 'Iteration 0, Testing net \(#0\)\n', 'once')));
end

function test_restore()
[file, prefix] = solver_file('snapshot: 10');
first = caffe.Solver(file);
fill(first.net);
fill(first.test_nets(1));
evalc('first.step(25)');
second = caffe.get_solver(file);
fill(second.net);
fill(second.test_nets(1));
second.restore([prefix '_iter_20.solverstate']);
check_equal(second.iter(), 20);
evalc('second.step(5)');
check_equal(second.net.params('conv', 1).get_data(), first.net.params('conv', 1).get_data());
check_error(@() first.restore('nowhere.solverstate'), 'caffe:missingFile', 'nowhere.solverstate does not exist');
check_error(@() first.restore(1), 'caffe:argument', 'snapshot_filename must be a string');
end

function test_arguments()
solver = a_solver();
for wrong = {0, -1, [1 2], [], 'a', {1}}
  check_error(@() solver.step(wrong{1}), 'caffe:argument', 'iters must be positive integer');
end
check_error(@() caffe.Solver(1), 'caffe:argument', 'solver_file must be a string');
check_error(@() caffe.Solver('no solver'), 'caffe:missingFile', 'no solver does not exist');
check_error(@() caffe.get_solver(), 'caffe:argument', 'usage: solver = get_solver(solver_file)');
end

function test_a_deleted_solver_is_gone_with_its_nets()
evalc('caffe.reset_all()');
solver = a_solver();
net = solver.net;
check_equal(evalc('caffe.reset_all()'), sprintf('Cleared 1 solvers and 0 stand-alone nets\n'));
check_error(@() solver.iter(), 'caffe:handle', 'it was released or never made');
check_error(@() net.forward_prefilled(), 'caffe:handle', 'it was released or never made');
solver.delete();
solver.delete();
solver = a_solver(); %#ok<NASGU>
clear solver
check_equal(evalc('caffe.reset_all()'), sprintf('Cleared 0 solvers and 0 stand-alone nets\n'));
end

function test_relative_paths_count_from_the_current_folder()
folder = tempname();
mkdir(folder);
movefile(test_net_file(), fullfile(folder, 'net.prototxt'));
here = cd(folder);
restore = onCleanup(@() cd(here));
stream = fopen('solver.prototxt', 'w');
fprintf(stream, 'net: "net.prototxt" test_iter: 1 test_interval: 10 base_lr: 0.01 lr_policy: "fixed" max_iter: 2\n');
fprintf(stream, 'snapshot: 2 snapshot_prefix: "snap"\n');
fclose(stream);
solver = caffe.Solver('solver.prototxt'); %#ok<NASGU>
evalc('solver.solve()');
assert(exist('snap_iter_2.caffemodel', 'file') == 2);
end
