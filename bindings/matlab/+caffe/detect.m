function [boxes, scores, labels, all] = detect(net, image, boxes, varargin)
%CAFFE.DETECT  What a net sees in windows of an image.
%   [boxes, scores, labels] = caffe.detect(net, image, boxes, Name, Value, ...)
%   image is an array H x W x C, RGB or grey, 0 to 255, or the name of a file. boxes are M x 4, rows of
%   [x y width height] in pixels, the first of which is 1; with [] they are those that selective search
%   finds, some hundreds. Each window is warped to the net's input.
%
%   scores is M x 1, of the best class of each box; labels M x 1, its name or its number from 0; a fourth
%   result has the scores of all classes, M x classes.
%     'ContextPad'     pixels around the window that the net's input shows, as R-CNN has it   default: 0
%     'Threshold'      boxes with a lower score are left out                               default: -Inf
%     'Overlap'        boxes that share more than this of their union with a better one are left out, and
%                      the best come first                                           default: 1 keeps all
%     'Softmax'        true makes probabilities of scores
%     'Labels'         names of the classes: a cell array, or a file with a line for each
%     'MiniBatchSize'  windows that go through the net at a time                             default: 64
%
%   Example
%     [boxes, scores, labels] = caffe.detect(net, 'street.jpg', [], 'ContextPad', 16, 'Overlap', 0.3);
%
%   See also caffe.classify, caffe.import.
if nargin < 3
  boxes = [];
end
options = struct('ContextPad', 0, 'Threshold', -Inf, 'Overlap', 1, 'Softmax', false, 'Labels', [], 'MiniBatchSize', 64);
options = caffe.internal.options(options, varargin);
image = caffe.internal.text(image);
caffe.internal.check(isa(net, 'caffe.Net'), 'net must be a caffe.Net');
caffe.internal.check(ischar(image) || isnumeric(image), 'image must be an array H x W x C, or a file');
if ischar(image)
  caffe.internal.check_file(image);
end
caffe.internal.check(isnumeric(boxes) && (isempty(boxes) || size(boxes, 2) == 4), 'boxes must be rows of [x y width height]');
result = caffe.internal.call('detect', net.handle_net, image, double(boxes), rmfield(options, 'Labels'));
boxes = result.boxes;
all = result.scores;
classes = caffe.internal.class_names(net, options.Labels, size(all, 2));
[scores, best] = max(all, [], 2);
labels = reshape(classes(best), [], 1);
end
