function tests = test_run_tests()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function test_the_tests_of_the_package()
log = evalc('results = caffe.run_tests();');
check_equal(sum(~[results.Passed]), 0);
names = regexprep({results.Name}, '/.*', '');
check_equal(unique(names), {'caffe.test.test_io', 'caffe.test.test_net', 'caffe.test.test_solver'});
assert(numel(results) >= 8);
assert(~isempty(regexp(log, 'Cleared \d+ solvers and 0 stand-alone nets\n$', 'once'))); % they clean up behind them
end

function test_the_stand_in_for_matlab_unittest()
caffe.internal.octave_functions();
log = evalc('results = run(failing_test());');
check_equal({results.Name}, {'failing_test/right', 'failing_test/wrong_checks', 'failing_test/stops_at_assertions', ...
  'failing_test/stops_at_errors'});
check_equal([results.Passed], [true false false false]);
check_equal([results.Failed], [false true true true]);
failed = regexp(log, 'FAILED failing_test/(\w+): ([^\n]*)', 'tokens');
names = cellfun(@(each) each{1}, failed, 'UniformOutput', false);
check_equal(sum(strcmp(names, 'wrong_checks')), 12);
words = cellfun(@(each) each{2}, failed, 'UniformOutput', false);
for wanted = {'single 1 is not double 1', '''a'' is not [1 1] cell why it matters', 'a double, not a char', ...
    'the size is [2 3]', 'the error was a:b: c', 'there was no error', '50% wrong [my:own]'}
  check_equal(any(strcmp(words, wanted{1})), true);
end
assert(isempty(strfind(log, 'not reached')));
assert(~isempty(strfind(log, '1 of 4 tests passed')));
end
