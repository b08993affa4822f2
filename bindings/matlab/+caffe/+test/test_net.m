classdef test_net < matlab.unittest.TestCase
  %TEST_NET  Tests of caffe.Net, caffe.Layer and caffe.Blob.
  properties
    num_output
    model_file
    net
  end
  methods (Static)
    function model_file = simple_net_file(num_output)
      %WRITE_MODEL  A net with its own data: convolution, inner product, loss.
      model_file = [tempname() '.prototxt'];
      stream = fopen(model_file, 'w');
      fprintf(stream, 'name: "testnet" force_backward: true\n');
      fprintf(stream, 'layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {\n');
      fprintf(stream, '  shape { dim: 5 dim: 2 dim: 3 dim: 4 } shape { dim: 5 }\n');
      fprintf(stream, '  data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" } } }\n');
      fprintf(stream, 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {\n');
      fprintf(stream, '  num_output: 11 kernel_size: 2 pad: 3 weight_filler { type: "gaussian" std: 1 }\n');
      fprintf(stream, '  bias_filler { type: "constant" value: 2 } } }\n');
      fprintf(stream, 'layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param {\n');
      fprintf(stream, '  num_output: %d weight_filler { type: "gaussian" std: 2.5 }\n', num_output);
      fprintf(stream, '  bias_filler { type: "constant" value: -3 } } }\n');
      fprintf(stream, 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n');
      fclose(stream);
    end
  end
  methods
    function self = test_net()
      self.num_output = 13;
      self.model_file = caffe.test.test_net.simple_net_file(self.num_output);
      self.net = caffe.get_net(self.model_file, 'train');
    end
    function delete(self)
      if exist(self.model_file, 'file')
        delete(self.model_file);
      end
    end
    function check_same_params(self, other)
      %CHECK_SAME_PARAMS  All learnable blobs of another net are those of ours.
      for l = 1:length(self.net.layer_vec)
        for k = 1:length(self.net.layer_vec(l).params)
          self.verifyEqual(other.layer_vec(l).params(k).get_data(), self.net.layer_vec(l).params(k).get_data());
        end
      end
    end
  end
  methods (Test)
    function test_blob(self)
      blob = self.net.blobs('data');
      blob.set_data(10 * ones(blob.shape));
      self.verifyEqual(blob.get_data(), 10 * ones(blob.shape, 'single'));
      blob.set_diff(-2 * ones(blob.shape, 'single'));
      self.verifyEqual(blob.get_diff(), -2 * ones(blob.shape, 'single'));
      shape = blob.shape;
      self.verifyEqual(shape, [4 3 2 5]);
      blob.reshape([6 5 4 3 2 1]);
      self.verifyEqual(blob.shape, [6 5 4 3 2 1]);
      blob.reshape(shape);
      self.net.reshape();
      self.verifyEqual(blob.shape, shape);
    end
    function test_layer(self)
      self.verifyEqual(self.net.params('conv', 1).shape, [2 2 2 11]);
      self.verifyEqual(self.net.layers('conv').params(2).shape, 11);
      self.verifyEqual(self.net.layers('conv').type(), 'Convolution');
    end
    function test_forward_backward(self)
      self.net.forward_prefilled();
      self.net.backward_prefilled();
      self.verifyTrue(any(reshape(self.net.blobs('data').get_diff(), [], 1) ~= 0));
    end
    function test_inputs_outputs(self)
      self.verifyEqual(self.net.inputs, cell(0, 1));
      self.verifyEqual(self.net.outputs, {'loss'});
    end
    function test_save_and_read(self)
      weights_file = [tempname() '.caffemodel'];
      self.net.save(weights_file);
      second = caffe.Net(self.model_file, 'train');
      self.verifyNotEqual(second.params('conv', 1).get_data(), self.net.params('conv', 1).get_data());
      second.copy_from(weights_file);
      self.check_same_params(second);
      self.check_same_params(caffe.Net(self.model_file, weights_file, 'train'));
      delete(weights_file);
    end
  end
end
