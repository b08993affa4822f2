function scores = predict(net, images, varargin)
%CAFFE.PREDICT  What a net puts out for images.
%   scores = caffe.predict(net, images)   N x classes; H x W x C x N where the output is a map
%   images are as in caffe.classify. A net whose input has two axes takes a matrix N x features.
%     'MiniBatchSize'         images that go through the net at a time               default: 64
%     'ExecutionEnvironment'  'auto', 'cpu' or 'gpu'
%
%   Example
%     scores = caffe.predict(net, rand(28, 28, 1, 100) * 255);
%
%   See also caffe.classify, caffe.activations.
options = caffe.internal.options(struct('MiniBatchSize', 64, 'ExecutionEnvironment', 'auto'), varargin);
caffe.internal.compute_on(options.ExecutionEnvironment);
[scores, details] = caffe.internal.infer(net, images, '', struct('MiniBatchSize', double(options.MiniBatchSize)));
if details.axes == 4 && size(scores, 1) == 1 && size(scores, 2) == 1
  scores = reshape(scores, size(scores, 3), []).';
end
end
