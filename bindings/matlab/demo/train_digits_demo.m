function [accuracy, net, info] = train_digits_demo(folder)
%TRAIN_DIGITS_DEMO  Train a LeNet on handwritten digits and look at what it has learnt.
%   train_digits_demo()
%   [accuracy, net, info] = train_digits_demo(folder)   pictures and the net go to folder, here by default
%   The net is written in MATLAB, the digits are MATLAB's arrays; it takes about ten seconds. There are
%   progress.png, confusion.png, filters.png, map.png and digits.mat, which caffe.load_mat reads.
%
%   See also caffe.train, caffe.NetSpec, caffe.digits.
addpath(fullfile(fileparts(mfilename('fullpath')), '..'));
if nargin < 1
  folder = pwd();
end
[X, Y, Xtest, Ytest] = caffe.digits();

options = caffe.trainingOptions('sgdm', 'MaxEpochs', 5, 'MiniBatchSize', 32, 'InitialLearnRate', 0.02, ...
  'L2Regularization', 5e-4, 'LearnRateSchedule', 'piecewise', 'LearnRateDropPeriod', 3, 'Shuffle', 'every-epoch', ...
  'ValidationData', {Xtest, Ytest}, 'ValidationFrequency', 44, 'VerboseFrequency', 44, 'Seed', 1, ...
  'Plots', 'training-progress', 'PlotFile', fullfile(folder, 'progress.png'));
[net, info] = caffe.train(X, Y, lenet(), options, 'Scale', 1 / 256);

found = caffe.classify(net, Xtest);
accuracy = mean(found == Ytest);
fprintf('%d of %d digits are read right: accuracy %.4f\n', sum(found == Ytest), numel(Ytest), accuracy);
caffe.plot_confusion(Ytest, found, fullfile(folder, 'confusion.png'));
caffe.plot_filters(net, 'conv1', fullfile(folder, 'filters.png'));
caffe.plot_map(caffe.embed(net, Xtest, 'ip1'), Ytest, fullfile(folder, 'map.png'));
caffe.save_mat(net, fullfile(folder, 'digits.mat'));
end

function n = lenet()
% The net of LeCun and others (1998), as Caffe has it, with fewer filters.
xavier = struct('type', 'xavier');
n = caffe.NetSpec();
n.data = caffe.layers.Input('shape', struct('dim', [1 1 28 28]));
n.conv1 = caffe.layers.Convolution(n.data, 'num_output', 12, 'kernel_size', 5, 'weight_filler', xavier);
n.pool1 = caffe.layers.Pooling(n.conv1, 'pool', 'MAX', 'kernel_size', 2, 'stride', 2);
n.conv2 = caffe.layers.Convolution(n.pool1, 'num_output', 24, 'kernel_size', 5, 'weight_filler', xavier);
n.pool2 = caffe.layers.Pooling(n.conv2, 'pool', 'MAX', 'kernel_size', 2, 'stride', 2);
n.ip1 = caffe.layers.InnerProduct(n.pool2, 'num_output', 100, 'weight_filler', xavier);
n.relu1 = caffe.layers.ReLU(n.ip1, 'in_place', true);
n.ip2 = caffe.layers.InnerProduct(n.relu1, 'num_output', 10, 'weight_filler', xavier);
end
