function run_tests(name)
%RUN_TESTS  Run the test functions of a file and print what came of each, for test_octave.py.
tests = feval(name);
for k = 1:numel(tests)
  started = tic();
  try
    feval(tests{k});
    fprintf('@@ PASS %s %.3f\n', func2str(tests{k}), toc(started));
  catch problem
    place = '';
    if ~isempty(problem.stack)
      place = sprintf('%s:%d: ', problem.stack(1).name, problem.stack(1).line);
    end
    fprintf('@@ FAIL %s %.3f\n%s%s [%s]\n', func2str(tests{k}), toc(started), place, problem.message, problem.identifier);
  end
end
end
