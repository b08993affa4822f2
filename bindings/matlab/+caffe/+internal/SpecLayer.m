classdef SpecLayer < handle
  %SPECLAYER  A layer in the making: its type, the tops it takes, its parameters.
  properties (SetAccess = private)
    number % of this layer among all that were made: those it takes from have smaller ones
    type
    inputs % cell array of caffe.internal.Top
    pairs  % names and values of parameters
  end
  methods
    function self = SpecLayer(type, inputs, pairs)
      persistent made
      if isempty(made)
        made = 0;
      end
      made = made + 1;
      self.number = made;
      self.type = type;
      self.inputs = inputs;
      self.pairs = pairs;
    end
  end
end
