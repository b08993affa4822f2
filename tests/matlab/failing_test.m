classdef failing_test < matlab.unittest.TestCase
  %FAILING_TEST  Right and wrong in every check of the stand-in for matlab.unittest.
  properties (Constant)
    wrong = 3
  end
  methods (Test)
    function right(self)
      self.verifyTrue(true);
      self.verifyFalse(false);
      self.verifyEqual(single([1 NaN]), single([1 NaN]));
      self.verifyEqual(1.05, 1, 'AbsTol', 0.1, 'why it matters');
      self.verifyEqual(105, 100, 'RelTol', 0.1);
      self.verifyNotEqual(1, 2);
      self.verifyEmpty([]);
      self.verifyClass('a', 'char');
      self.verifySize(ones(2, 3), [2 3]);
      self.verifyError(@() error('a:b', 'c'), 'a:b');
      self.assertTrue(true);
      self.assertEqual('a', 'a');
    end
    function self = wrong_checks(self)
      self.verifyTrue(false);
      self.verifyFalse(1);
      self.verifyEqual(single(1), 1);
      self.verifyEqual('a', {'a'}, 'why it matters');
      self.verifyEqual(1.2, 1, 'AbsTol', 0.1);
      self.verifyEqual(120, 100, 'RelTol', 0.1);
      self.verifyNotEqual(1, 1);
      self.verifyEmpty(0);
      self.verifyClass(1, 'char');
      self.verifySize(ones(2, 3), [3 2]);
      self.verifyError(@() error('a:b', 'c'), 'a:c');
      self.verifyError(@() 1, 'a:c');
    end
    function stops_at_assertions(self)
      self.verifyEqual(self.wrong, 3);
      self.assertEqual(self.wrong, 4);
      self.verifyTrue(false, 'not reached');
    end
    function stops_at_errors(self) %#ok<MANU>
      error('my:own', '50%% wrong');
    end
  end
  methods
    function no_test(self)
      self.verifyTrue(false, 'this is no test');
    end
  end
end
