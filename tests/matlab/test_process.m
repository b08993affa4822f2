function tests = test_process()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function bridge = running()
% A bridge that runs.
evalc('caffe.reset_all()');
caffe.version();
bridge = caffe.internal.connection('peek');
end

function restore = with_environment(name, value)
% Another value for an environment variable and a new bridge, until the result is cleared.
caffe.internal.connection('close');
before = getenv(name);
setenv(name, value);
restore = onCleanup(@() setenv(name, before));
end

function test_version()
check_equal(caffe.version(), getenv('CAFFE_TEST_VERSION'));
end

function test_modes_and_devices()
caffe.set_mode_cpu();
for wrong = {-1, [0 1], 'a', []}
  check_error(@() caffe.set_device(wrong{1}), 'caffe:argument', 'device_id must be non-negative integer');
end
check_error(@() caffe.set_device(0.5), 'caffe:argument', 'is not a whole number');
try
  caffe.set_mode_gpu(); % where there is none it says so
  caffe.set_mode_cpu();
catch problem
  check_equal(problem.identifier, 'caffe:device');
end
end

function test_values_encoded_and_decoded()
values = {'text', '', 'été 図', 1.5, pi * ones(2, 3), zeros(0, 3), [], single(-2), int8(-3), uint8([1 2; 3 4]), ...
  int16(-300), uint16(300), int32(-7), uint32(7), int64(-8), uint64(8), true, [true false], ones(2, 3, 4, 5)};
for k = 1:numel(values)
  check_equal(caffe.internal.decode(caffe.internal.encode(values{k})), values{k});
end
nested = struct('name', 'x', 'cell', {{'a'; {1; 'b'}}}, 'inner', struct('y', uint8(1)));
check_equal(caffe.internal.decode(caffe.internal.encode(nested)), nested);
check_equal(caffe.internal.decode(caffe.internal.encode(sparse([1 0 2]))), [1 0 2]);
for wrong = {1i, @sin, {1i}}
  check_error(@() caffe.internal.encode(wrong{1}), 'caffe:argument', 'cannot be sent');
end
end

function test_large_values_stay_out_of_the_frame()
large = rand(100, 100);
[bytes, arrays] = caffe.internal.encode({large, 'a', single(large(1:9, :))});
assert(numel(bytes) < 4000);
check_equal(arrays, {large});
check_equal(caffe.internal.decode(bytes, struct('a0', large)), {large; 'a'; single(large(1:9, :))});
in_pieces = uint8([129 2 typecast(uint32([2 3 0 2]), 'uint8')]);
check_equal(caffe.internal.decode(in_pieces, struct('a0', single((1:4).'), 'a1', single([5; 6]))), single([1 3 5; 2 4 6]));
end

function test_folder_is_for_the_user_alone()
bridge = running();
[~, mode] = system(['stat -c %a ' caffe.internal.quote(bridge.folder)]);
check_equal(strtrim(mode), '700');
end

function test_files_of_the_user_are_as_umask_says()
file = [tempname() '.binaryproto'];
caffe.io.write_mean(ones(2, 'single'), file);
own = tempname();
fclose(fopen(own, 'w'));
[~, mode] = system(['stat -c %a ' file]);
[~, wanted] = system(['stat -c %a ' own]);
check_equal(mode, wanted);
end

function test_a_killed_bridge_is_told_and_replaced()
bridge = running();
net = caffe.Net(test_net_file(), 'test');
folder = bridge.folder;
silence = bridge.link.silence;
system(sprintf('kill -9 %d', bridge.link.pid));
started = tic();
check_error(@() net.forward_prefilled(), 'caffe:bridge', 'call caffe.reset_all()');
assert(toc(started) < silence / 2); % at once, on a computer however busy
check_error(@() net.forward_prefilled(), 'caffe:bridge', 'the Caffe process is gone');
check_error(@() caffe.version(), 'caffe:bridge', 'call caffe.reset_all()');
assert(exist(folder, 'dir') == 0);
check_equal(evalc('caffe.reset_all()'), sprintf('Cleared 0 solvers and 0 stand-alone nets\n'));
second = caffe.Net(test_net_file(), 'test');
check_error(@() net.forward_prefilled(), 'caffe:handle', 'it was released or never made');
clear net % must not touch the new bridge's nets
second.forward_prefilled();
end

function test_seconds_of_silence_are_settable()
restore = with_environment('CAFFE_BRIDGE_TIMEOUT', '90.5'); %#ok<NASGU>
bridge = running();
check_equal(bridge.link.silence, 90.5);
end

function test_a_stopped_bridge_is_told()
bridge = running();
link = bridge.link;
link.silence = 1.5; % from now on: it may have taken longer to start
system(sprintf('kill -STOP %d', link.pid));
check_error(@() caffe.version(), 'caffe:bridge', 'it was silent for 1.5 seconds');
wait_until(@() ended(link.pid));
evalc('caffe.reset_all()');
check_equal(caffe.version(), getenv('CAFFE_TEST_VERSION'));
end

function answer = ended(pid)
% Whether a process is gone, or only its entry is left.
[~, state] = system(sprintf('ps -o stat= -p %d', pid));
answer = isempty(state) || state(1) == 'Z';
end

function test_a_long_computation_is_not_silent()
bridge = running();
link = bridge.link;
link.silence = 2.5;
restore = onCleanup(@() caffe.internal.connection('close')); %#ok<NASGU>
solver = caffe.Solver(write_text(['net: "' test_net_file() '"'], ...
  'base_lr: 0.01 lr_policy: "fixed" max_iter: 1000000')); % it displays nothing
started = tic();
solver.step(100);
solver.step(ceil(4 / toc(started) * 100));
end

function test_no_python_has_the_package()
restore = with_environment('CAFFE_PYTHON', '/bin/false'); %#ok<NASGU>
check_error(@() caffe.version(), 'caffe:bridge', 'no Python with caffe_sdk was found');
check_error(@() caffe.version(), 'caffe:bridge', 'pip install caffe-sdk');
end

function test_python_is_found_in_the_active_environment()
python = getenv('CAFFE_PYTHON');
folder = tempname();
mkdir(fullfile(folder, 'bin'));
write_script(fullfile(folder, 'bin', 'python'), ['exec ' caffe.internal.quote(python) ' "$@"']);
first = with_environment('CAFFE_PYTHON', ''); %#ok<NASGU>
second = with_environment('VIRTUAL_ENV', folder); %#ok<NASGU>
check_equal(caffe.internal.find_python(), fullfile(folder, 'bin', 'python'));
check_equal(caffe.version(), getenv('CAFFE_TEST_VERSION'));
end

function test_a_crash_at_the_start_shows_its_last_words()
python = fullfile(tempname());
mkdir(python);
python = fullfile(python, 'it''s a python');
write_script(python, 'case "$1" in -c) exit 0 ;; esac', 'echo the stars are wrong >&2', 'exit 1');
place = tempname();
mkdir(place);
first = with_environment('CAFFE_PYTHON', python); %#ok<NASGU>
second = with_environment('CAFFE_BRIDGE_DIR', place); %#ok<NASGU>
check_error(@() caffe.version(), 'caffe:bridge', 'could not be started');
check_error(@() caffe.version(), 'caffe:bridge', 'the stars are wrong');
check_equal(numel(dir(place)), 2);
end

function write_script(file, varargin)
stream = fopen(file, 'w');
fprintf(stream, '%s\n', '#!/bin/sh', varargin{:});
fclose(stream);
system(['chmod +x ' caffe.internal.quote(file)]);
end

function test_another_place_for_the_folder()
place = [tempname() ' it''s "é" 図'];
mkdir(place);
restore = with_environment('CAFFE_BRIDGE_DIR', place); %#ok<NASGU>
bridge = running();
check_equal(fileparts(bridge.folder), place);
file = input_net_file([300 300]);
net = caffe.Net(file, 'test');
net.blobs('data').set_data(ones(300));
check_equal(net.blobs('data').get_data(), ones(300, 'single'));
clear net restore
caffe.internal.connection('close');
wait_until(@() numel(dir(place)) == 2);
end

function wait_until(condition)
started = tic();
while ~condition()
  assert(toc(started) < 60);
  pause(0.01);
end
end

function test_destructors_start_no_bridge()
running();
net = caffe.Net(test_net_file(), 'test'); %#ok<NASGU>
caffe.internal.connection('close');
clear net
assert(isempty(caffe.internal.connection('peek')));
end

function test_reset_all_starts_no_bridge()
caffe.internal.connection('close');
check_equal(evalc('caffe.reset_all()'), sprintf('Cleared 0 solvers and 0 stand-alone nets\n'));
assert(isempty(caffe.internal.connection('peek')));
end

function test_random_numbers_of_the_user_are_left_alone()
rand('state', 3); %#ok<RAND>
wanted = rand(1, 3);
caffe.internal.connection('close');
rand('state', 3); %#ok<RAND>
caffe.version();
check_equal(rand(1, 3), wanted);
end

function test_settings_that_make_no_sense()
restore = with_environment('CAFFE_BRIDGE_TRANSPORT', 'pigeon'); %#ok<NASGU>
check_error(@() caffe.version(), 'caffe:argument', 'CAFFE_BRIDGE_TRANSPORT is ''pigeon''');
end

function test_transport_is_the_one_asked_for()
bridge = running();
classes = struct('pipe', 'caffe.internal.PipeLink', 'tcp', 'caffe.internal.TcpLink');
check_equal(class(bridge.link), classes.(getenv('CAFFE_BRIDGE_TRANSPORT')));
end

function test_a_bridge_killed_while_it_computes_is_told_at_once()
bridge = running();
solver = caffe.Solver(write_text(['net: "' test_net_file() '"'], ...
  'base_lr: 0.01 lr_policy: "fixed" max_iter: 100000000'));
silence = bridge.link.silence;
system(sprintf('(sleep 0.3; kill -9 %d) >/dev/null 2>&1 &', bridge.link.pid));
started = tic();
check_error(@() solver.solve(), 'caffe:bridge', 'lost the Caffe process');
assert(toc(started) < silence / 2);
evalc('caffe.reset_all()');
end
