function [scores, maxlabel] = classification_demo(im, use_gpu, model_dir)
%CLASSIFICATION_DEMO  Classify an image with a net for ImageNet, by the mean of ten crops.
%   [scores, maxlabel] = classification_demo(im, use_gpu)
%   [scores, maxlabel] = classification_demo(im, use_gpu, model_dir)
%   im is an image as imread gives it, H x W x 3 of uint8. scores are the probabilities of the 1000 classes,
%   maxlabel is the index of the highest, from 1. use_gpu is true or false, false if it is not given.
%   model_dir has deploy.prototxt (or one *deploy*.prototxt) and a .caffemodel; it is
%   ../../models/bvlc_reference_caffenet if it is not given.
%
%   The mean image is that of ../+caffe/imagenet/ilsvrc_2012_mean.mat.
%
%   Example, from this directory
%     im = imread('cat.jpg');
%     scores = classification_demo(im, false, '/path/to/squeezenet');
%
%   See also caffe.Net, caffe.classify.
here = fileparts(mfilename('fullpath'));
if ~exist('caffe.Net', 'class') && exist(fullfile(here, '..', '+caffe'), 'dir')
  addpath(fullfile(here, '..'));
end
if nargin < 3
  model_dir = fullfile(here, '..', '..', 'models', 'bvlc_reference_caffenet');
end
if nargin > 1 && use_gpu
  caffe.set_mode_gpu();
  caffe.set_device(0);
else
  caffe.set_mode_cpu();
end
net = caffe.Net(the_file(model_dir, '*deploy*.prototxt'), the_file(model_dir, '*.caffemodel'), 'test');
shape = net.blobs(net.inputs{1}).shape;
crops = ten_crops(im, shape(1));
if shape(4) ~= 10
  net.blobs(net.inputs{1}).reshape([shape(1:3) 10]);
  net.reshape();
end
tic();
result = net.forward({crops});
toc();
scores = mean(reshape(result{1}, [], 10), 2);
[~, maxlabel] = max(scores);
end

function crops = ten_crops(im, side)
% The corners and the centre of the image as 256 x 256 pixels, and their mirror images: side x side x 3 x 10, BGR.
file = load(fullfile(fileparts(mfilename('fullpath')), '..', '+caffe', 'imagenet', 'ilsvrc_2012_mean.mat'));
mean_data = file.mean_data; % width x height x channels, BGR
if size(im, 3) == 1
  im = im(:, :, [1 1 1]);
end
im = permute(im(:, :, [3 2 1]), [2 1 3]); % RGB to BGR, height x width to width x height
im = caffe.imresize(single(im), [256 256], 'bilinear') - mean_data;
crops = zeros(side, side, 3, 10, 'single');
far = 256 - side + 1;
middle = floor(far / 2) + 1;
k = 0;
for place = [1 1; 1 far; far 1; far far; middle middle].'
  k = k + 1;
  crop = im(place(2):place(2) + side - 1, place(1):place(1) + side - 1, :);
  crops(:, :, :, k) = crop;
  crops(:, :, :, k + 5) = crop(end:-1:1, :, :);
end
end

function file = the_file(folder, pattern)
% The one file of this pattern in a folder.
found = dir(fullfile(folder, pattern));
if isempty(found)
  error('caffe:missingFile', ['there is no %s in %s; get a model, such as SqueezeNet or CaffeNet from its web site, ' ...
    'and name its folder: classification_demo(im, use_gpu, model_dir)'], pattern, folder);
end
file = fullfile(folder, found(1).name);
end
