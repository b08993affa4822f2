function [digits, probabilities] = lenet_demo(images, weights_file, model_file)
%LENET_DEMO  Classify handwritten digits with a trained LeNet.
%   [digits, probabilities] = lenet_demo(images, weights_file)
%   images is a 28 x 28 x N array (width x height x number, 0 is paper and 1 is ink), or the name of
%   a .mat file whose variable 'images' is one. digits is 1 x N, probabilities is 10 x N.
%   ... = lenet_demo(images, weights_file, model_file)   another net than the LeNet that comes with Caffe
%
%   Example, after 'make demo' has trained a LeNet and put its test digits into a database:
%     net = caffe.Net('demo-output/lenet_train_test.prototxt', 'demo-output/lenet.caffemodel', 'test');
%     net.forward_prefilled();
%     lenet_demo(net.blobs('data').get_data(), 'demo-output/lenet.caffemodel');
%
%   See also caffe.Net.
if ischar(images)
  file = load(images);
  images = file.images;
end
if nargin < 3
  model_file = own_model();
end
count = numel(images) / (28 * 28);
images = reshape(images, [28 28 1 count]);

caffe.set_mode_cpu();
net = caffe.Net(model_file, weights_file, 'test');
net.blobs('data').reshape([28 28 1 count]);
net.reshape();
results = net.forward({images});
probabilities = results{1};
[certainty, index] = max(probabilities, [], 1);
digits = index - 1;

shown = min(count, 10);
fprintf('%d digits; the first %d:\n', count, shown);
for k = 1:shown
  fprintf('%4d: %d (%.1f %%)\n', k, digits(k), 100 * certainty(k));
end
end

function file = own_model()
% The prototxt, in a checkout or in an installed package.
here = fileparts(mfilename('fullpath'));
places = {fullfile(here, '..', '..', '..', 'caffe_sdk'), fullfile(here, '..', '..')};
files = cellfun(@(place) fullfile(place, 'models', 'lenet', 'lenet_deploy.prototxt'), places, 'UniformOutput', false);
there = cellfun(@(file) exist(file, 'file') == 2, files);
file = files{find(there, 1)};
end
