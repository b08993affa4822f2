classdef test_io < matlab.unittest.TestCase
  %TEST_IO  Tests of caffe.io.
  methods (Test)
    function test_read_write_mean(self)
      mean_data = 255 * rand(20, 30, 3, 'single');
      mean_file = [tempname() '.binaryproto'];
      caffe.io.write_mean(mean_data, mean_file);
      self.verifyEqual(caffe.io.read_mean(mean_file), mean_data);
      delete(mean_file);
    end
  end
end
