function points = embed(varargin)
%CAFFE.EMBED  A map of images, or of any features: what a layer finds alike lies together.
%   points = caffe.embed(net, images, layer, Name, Value, ...)   images and layer as in caffe.activations
%   points = caffe.embed(features, Name, Value, ...)             features N x F
%   points is N x Dimensions.
%     'Method'      'pca', the default: principal components; or 'tsne', which needs scikit-learn
%     'Dimensions'  2
%     'Perplexity'  of t-SNE: about how many neighbours count                                default: 30
%     'Seed'        of t-SNE                                                                  default: 0
%
%   Example
%     points = caffe.embed(net, images, 'ip1', 'Method', 'tsne');
%     caffe.plot_map(points, labels)
%
%   See also caffe.activations, caffe.plot_map.
caffe.internal.check(nargin > 0, 'usage: points = caffe.embed(net, images, layer) or caffe.embed(features)');
if isa(varargin{1}, 'caffe.Net')
  caffe.internal.check(nargin >= 3, 'usage: points = caffe.embed(net, images, layer)');
  features = caffe.activations(varargin{1:3}, 'OutputAs', 'rows');
  pairs = varargin(4:end);
else
  features = varargin{1};
  pairs = varargin(2:end);
  caffe.internal.check(isnumeric(features) && ismatrix(features), 'features must be a matrix N x F');
end
options = struct('Method', 'pca', 'Dimensions', 2, 'Perplexity', 30, 'Seed', 0);
options = caffe.internal.options(options, pairs);
points = caffe.internal.call('embed', double(features), options);
end
