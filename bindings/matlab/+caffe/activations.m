function features = activations(net, images, layer, varargin)
%CAFFE.ACTIVATIONS  What a layer of a net puts out for images.
%   features = caffe.activations(net, images, layer)
%   images are as in caffe.classify; layer is the name of a layer or of a blob, or the number of a
%   layer in net.layer_names.
%     'OutputAs'  'channels'  H x W x C x N, the default; N x C where a layer has no height and width
%                 'rows'      N x (H*W*C), each row a features(:, :, :, n) in column order
%                 'columns'   (H*W*C) x N
%     'MiniBatchSize'         images that go through the net at a time               default: 64
%     'ExecutionEnvironment'  'auto', 'cpu' or 'gpu'
%
%   Example
%     pixels = caffe.activations(net, images, 'pool1');
%     vectors = caffe.activations(net, images, 'fc7', 'OutputAs', 'rows');
%
%   See also caffe.predict, caffe.embed, caffe.classify.
options = struct('OutputAs', 'channels', 'MiniBatchSize', 64, 'ExecutionEnvironment', 'auto');
options = caffe.internal.options(options, varargin);
caffe.internal.compute_on(options.ExecutionEnvironment);
caffe.internal.check(any(strcmp(options.OutputAs, {'channels', 'rows', 'columns'})), ...
  'OutputAs can be channels, rows or columns');
layer = caffe.internal.text(layer);
if isnumeric(layer)
  caffe.internal.check(isscalar(layer) && any(layer == 1:numel(net.layer_names)), ...
    sprintf('layer must be a name, or a number from 1 to %d', numel(net.layer_names)));
  layer = net.layer_names{layer};
end
caffe.internal.check(ischar(layer) && ~isempty(layer), 'layer must be the name or number of a layer');
told = struct('MiniBatchSize', double(options.MiniBatchSize));
[features, details] = caffe.internal.infer(net, images, layer, told);
if strcmp(options.OutputAs, 'channels')
  return
end
if details.axes > 2
  columns = reshape(features, size(features, 1) * size(features, 2) * size(features, 3), []);
else
  columns = features.';
end
if strcmp(options.OutputAs, 'rows')
  features = columns.';
else
  features = columns;
end
end
