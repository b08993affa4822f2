classdef Layer < handle
  %CAFFE.LAYER  A layer of a network: its type and its learnable blobs.
  %     net.layers('conv1').type(), net.layers('conv1').params(1)
  %
  %   See also caffe.Net, caffe.Blob.
  properties (SetAccess = private)
    params % 1 x P caffe.Blob
  end
  properties (Access = private)
    layer_type
  end
  methods
    function self = Layer(handle_net, name, layer_type, count)
      caffe.internal.check(nargin == 4 && isnumeric(handle_net), 'invalid Layer handle');
      self.layer_type = layer_type;
      blobs = cell(1, count);
      for k = 1:count
        blobs{k} = caffe.Blob(handle_net, {name, k});
      end
      self.params = caffe.internal.object_row('caffe.Blob', blobs);
    end
    function layer_type = type(self)
      %TYPE  The type as the prototxt names it, such as 'Convolution'.
      layer_type = self.layer_type;
    end
  end
end
