function varargout = custom_layer(type, varargin)
%CAFFE.CUSTOM_LAYER  A layer of a type that Caffe does not come with, for nets written in MATLAB.
%   top = caffe.custom_layer(type, bottom, ..., Name, Value, ...)
%   As the functions of caffe.layers do it for the types they are named after.
%
%   See also caffe.layers, caffe.NetSpec.
caffe.internal.check(ischar(type) && ~isempty(type), 'type must be the name of a layer type');
varargout = caffe.internal.make_layer(type, max(1, nargout), varargin);
end
