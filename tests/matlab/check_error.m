function check_error(action, identifier, words)
%CHECK_ERROR  Fail unless an action raises an error with this identifier and words in its message.
try
  action();
catch problem
  if ~strcmp(problem.identifier, identifier) || isempty(strfind(problem.message, words)) %#ok<STREMP>
    error('expected: %s\n  %s\ngot: %s\n  %s', identifier, words, problem.identifier, problem.message);
  end
  return
end
error('expected: %s\n  %s\ngot no error', identifier, words);
end
