function [labels, scores] = classify_photo_demo(photo, model_folder, labels_file)
%CLASSIFY_PHOTO_DEMO  What a net trained on ImageNet sees in a photo.
%   classify_photo_demo(photo, model_folder, labels_file)
%   [labels, scores] = ...   the five best classes and their probabilities
%   photo is an image file; model_folder has a deploy prototxt and a caffemodel of a net that takes Caffe's
%   usual images, such as SqueezeNet; labels_file has a line for each class (synset_words.txt).
%
%   Example
%     classify_photo_demo('cat.jpg', 'squeezenet_v1.0', 'synset_words.txt')
%
%   See also caffe.import, caffe.classify, caffe.imresize.
addpath(fullfile(fileparts(mfilename('fullpath')), '..'));
net = caffe.import(only(model_folder, '*.prototxt'), only(model_folder, '*.caffemodel'), ...
  'AverageImage', [123 117 104], 'ResizeTo', [256 256], 'Labels', labels_file);
small = caffe.imresize(imread(photo), [256 256]); % smoothed first, as MATLAB's own does it
[names, ~, best] = caffe.classify(net, small, 'TopK', 5, 'Softmax', true);
labels = names.';
scores = best.';
fprintf('%s:\n', photo);
for k = 1:numel(labels)
  fprintf('%6.1f %%  %s\n', 100 * scores(k), labels{k});
end
end

function file = only(folder, pattern)
% The one file of a kind in a folder.
found = dir(fullfile(folder, pattern));
if numel(found) ~= 1
  error('caffe:argument', 'there must be one %s in %s, there are %d', pattern, folder, numel(found));
end
file = fullfile(folder, found.name);
end
