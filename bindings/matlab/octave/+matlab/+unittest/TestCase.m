classdef TestCase < handle
  %TESTCASE  What test classes written for MATLAB are made of, for Octave.
  %   classdef my_test < matlab.unittest.TestCase, with methods (Test) that call self.verifyEqual and others
  %   results = run(my_test)   a struct array with Name, Passed, Failed and Duration, a struct for each test
  %
  %   Each test has an object of its own. A check that begins with 'verify' lets the test go on when it fails,
  %   one that begins with 'assert' does not.
  properties (Hidden)
    failures = {} % what went wrong, in words
  end
  methods
    function results = run(self)
      %RUN  Run the tests of the class.
      name = class(self);
      tests = test_names(name);
      fprintf('Running %s\n', name);
      results = repmat(struct('Name', '', 'Passed', true, 'Failed', false, 'Incomplete', false, 'Duration', 0), ...
        1, numel(tests));
      for k = 1:numel(tests)
        started = tic();
        failures = failures_of(name, tests{k});
        results(k).Name = [name '/' tests{k}];
        results(k).Passed = isempty(failures);
        results(k).Failed = ~isempty(failures);
        results(k).Duration = toc(started);
        for m = 1:numel(failures)
          fprintf('FAILED %s: %s\n', results(k).Name, failures{m});
        end
      end
      fprintf('%d of %d tests passed\n', sum([results.Passed]), numel(results));
    end
    function verifyTrue(self, actual, varargin)
      self.check(isequal(actual, true), 'it is not true', varargin);
    end
    function verifyFalse(self, actual, varargin)
      self.check(isequal(actual, false), 'it is not false', varargin);
    end
    function verifyEqual(self, actual, expected, varargin)
      %VERIFYEQUAL  Class, size and values are the same; 'AbsTol' or 'RelTol' may say how near values have to be.
      [tolerance, words] = tolerance_of(expected, varargin);
      alike = strcmp(class(actual), class(expected)) && isequal(size(actual), size(expected));
      if alike && ~isempty(tolerance)
        alike = all(abs(double(actual(:)) - double(expected(:))) <= tolerance(:));
      elseif alike
        alike = isequaln(actual, expected);
      end
      self.check(alike, sprintf('%s is not %s', words_for(actual), words_for(expected)), words);
    end
    function verifyNotEqual(self, actual, expected, varargin)
      self.check(~isequal(actual, expected), 'they are the same', varargin);
    end
    function verifyEmpty(self, actual, varargin)
      self.check(isempty(actual), sprintf('%s is not empty', words_for(actual)), varargin);
    end
    function verifyClass(self, actual, expected, varargin)
      self.check(strcmp(class(actual), expected), sprintf('a %s, not a %s', class(actual), expected), varargin);
    end
    function verifySize(self, actual, expected, varargin)
      self.check(isequal(size(actual), expected), sprintf('the size is %s', mat2str(size(actual))), varargin);
    end
    function verifyError(self, action, identifier, varargin)
      found = '';
      try
        action();
        words = 'there was no error';
      catch problem
        found = problem.identifier;
        words = sprintf('the error was %s: %s', found, problem.message);
      end
      self.check(strcmp(found, identifier), words, varargin);
    end
    function assertTrue(self, varargin)
      self.verifyTrue(varargin{:});
      self.stop_if_failed();
    end
    function assertEqual(self, varargin)
      self.verifyEqual(varargin{:});
      self.stop_if_failed();
    end
  end
  methods (Access = private)
    function check(self, condition, words, more)
      % Note what is wrong, if it is, with the words of the test's author.
      if ~condition
        self.failures{end + 1} = strtrim([words sprintf(' %s', more{:})]);
      end
    end
    function stop_if_failed(self)
      if ~isempty(self.failures)
        error('matlab:unittest:stop', 'the test stopped here');
      end
    end
  end
end

function failures = failures_of(class_name, test)
% What went wrong in one test.
try
  object = feval(class_name);
  feval(test, object);
  failures = object.failures;
catch problem
  failures = {sprintf('%s [%s]', problem.message, problem.identifier)};
  if exist('object', 'var')
    failures = [object.failures failures];
  end
end
end

function names = test_names(class_name)
% The functions in the blocks "methods (Test)" of a class's file.
file = [regexprep(class_name, '(\w+)\.', '+$1/') '.m'];
text = fileread(file_in_loadpath(file));
blocks = regexp(text, '^\s*(?:methods|properties|events)(?!\w)', 'start', 'lineanchors');
blocks(end + 1) = numel(text) + 1;
names = {};
for k = 1:numel(blocks) - 1
  block = text(blocks(k):blocks(k + 1) - 1);
  if ~isempty(regexp(block, '^\s*methods\s*\([^)\n]*(?<!\w)Test(?!\w)', 'once'))
    found = regexp(block, '\n\s*function\s+(?:[^=(\n]*=\s*)?(\w+)', 'tokens');
    names = [names, found{:}]; %#ok<AGROW>
  end
end
end

function [tolerance, words] = tolerance_of(expected, given)
% How far each value may be off, [] if not at all, and what else was said.
tolerance = [];
words = {};
k = 1;
while k <= numel(given)
  if strcmp(given{k}, 'AbsTol')
    tolerance = repmat(double(given{k + 1}), size(expected));
  elseif strcmp(given{k}, 'RelTol')
    tolerance = double(given{k + 1}) * abs(double(expected));
  else
    words(end + 1) = given(k); %#ok<AGROW>
    k = k - 1;
  end
  k = k + 2;
end
end

function words = words_for(value)
% A value in a few words.
if ischar(value)
  words = ['''' value(:).' ''''];
elseif (isnumeric(value) || islogical(value)) && ndims(value) == 2 && numel(value) <= 20
  words = [class(value) ' ' mat2str(value)];
else
  words = sprintf('%s %s', mat2str(size(value)), class(value));
end
end
