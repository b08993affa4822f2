classdef Blob < handle
  %CAFFE.BLOB  An array of a network: data, and the gradient diff.
  %   Blobs are got from nets and layers:
  %     net.blobs('data'), net.params('conv1', 1), net.layers('conv1').params(1)
  %   Arrays are single, the fastest axis first: [width height channels num].
  %
  %   See also caffe.Net, caffe.Layer.
  properties (Access = private)
    handle_net
    reference % a blob's name, or {layer's name, index}
  end
  methods
    function self = Blob(handle_net, reference)
      caffe.internal.check(nargin == 2 && isnumeric(handle_net), 'invalid Blob handle');
      self.handle_net = handle_net;
      self.reference = reference;
    end
    function shape = shape(self)
      %SHAPE  Sizes as a row of doubles, trailing ones included; a scalar blob gives 1 x 0.
      shape = caffe.internal.call('blob_shape', self.handle_net, self.reference);
    end
    function reshape(self, shape)
      %RESHAPE  Give the blob another shape; net.reshape() carries it through the net.
      caffe.internal.check(isempty(shape) || (isnumeric(shape) && size(shape, 1) == 1 && ndims(shape) == 2 ...
        && all(shape >= 0 & shape == floor(shape))), 'shape must be a integer row vector');
      caffe.internal.call('blob_reshape', self.handle_net, self.reference, double(shape));
    end
    function data = get_data(self)
      %GET_DATA  The values.
      data = caffe.internal.call('blob_get', self.handle_net, self.reference, 'data');
    end
    function set_data(self, data)
      %SET_DATA  Overwrite the values with an array of the blob's shape, trailing ones apart.
      data = caffe.internal.singles({data});
      caffe.internal.call('blob_set', self.handle_net, self.reference, 'data', data{1});
    end
    function diff = get_diff(self)
      %GET_DIFF  The gradient.
      diff = caffe.internal.call('blob_get', self.handle_net, self.reference, 'diff');
    end
    function set_diff(self, diff)
      %SET_DIFF  Overwrite the gradient with an array of the blob's shape, trailing ones apart.
      diff = caffe.internal.singles({diff});
      caffe.internal.call('blob_set', self.handle_net, self.reference, 'diff', diff{1});
    end
  end
end
