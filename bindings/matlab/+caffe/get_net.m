function net = get_net(varargin)
%GET_NET  Make a net of a prototxt file.
%   net = caffe.get_net(model_file, phase_name)
%   net = caffe.get_net(model_file, weights_file, phase_name)
%
%   See also caffe.Net.
net = caffe.Net(varargin{:});
end
