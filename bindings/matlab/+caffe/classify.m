function [labels, scores, best, files] = classify(net, images, varargin)
%CAFFE.CLASSIFY  What a net sees in images.
%   labels = caffe.classify(net, images)
%   [labels, scores, best, files] = caffe.classify(net, images, Name, Value, ...)
%   images: one image or many as an array H x W x C x N, RGB or grey, 0 to 255 whatever its class;
%   the name of a file, or of a folder, whose images are taken in the order of their names;
%   a cell array of names, or of images of different sizes. They are resized, cut and shifted as the
%   net wants them: see caffe.import.
%
%   labels is N x 1: names in a cell array where they are known, else the numbers of the classes,
%   which Caffe counts from 0. scores is N x classes. files are the names of the images, if they
%   were read from files.
%     'TopK'           so many labels for each image, best first: labels is N x TopK and best, too,
%                      which holds their scores                                      default: 1
%     'Labels'         names of the classes: a cell array, or a file with a line for each
%     'Softmax'        true makes probabilities of scores, for nets that end without it
%     'MiniBatchSize'  images that go through the net at a time                      default: 64
%     'ExecutionEnvironment'  'auto', 'cpu' or 'gpu'
%
%   Example
%     [labels, scores] = caffe.classify(net, imread('cat.jpg'), 'TopK', 5)
%
%   See also caffe.import, caffe.predict, caffe.activations.
options = struct('TopK', 1, 'Labels', [], 'Softmax', false, 'MiniBatchSize', 64, 'ExecutionEnvironment', 'auto');
options = caffe.internal.options(options, varargin);
caffe.internal.compute_on(options.ExecutionEnvironment);
told = struct('Rows', true, 'Softmax', logical(options.Softmax), 'MiniBatchSize', double(options.MiniBatchSize));
[scores, details] = caffe.internal.infer(net, images, '', told);
classes = caffe.internal.class_names(net, options.Labels, size(scores, 2));
top = options.TopK;
caffe.internal.check(isnumeric(top) && isscalar(top) && top >= 1 && top <= size(scores, 2) && top == floor(top), ...
  sprintf('TopK must be 1 to %d, the number of classes', size(scores, 2)));
[best, order] = sort(scores, 2, 'descend');
best = best(:, 1:top);
labels = reshape(classes(order(:, 1:top)), [], top);
files = details.names;
end
