classdef Top < handle
  %TOP  An output of a layer in the making, to be given to other layers.
  properties (SetAccess = private)
    layer % caffe.internal.SpecLayer
    index % which of its tops, from 1
  end
  methods
    function self = Top(layer, index)
      self.layer = layer;
      self.index = index;
    end
  end
end
