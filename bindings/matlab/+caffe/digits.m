function [X, Y, Xtest, Ytest] = digits()
%CAFFE.DIGITS  Handwritten digits to try things out with.
%   [X, Y, Xtest, Ytest] = caffe.digits()
%   X is 28 x 28 x 1 x 1438, uint8, white on black; Y is 1438 x 1, the digits 0 to 9; Xtest and Ytest are
%   359 more. They are scikit-learn's, 1797 scans of 8 x 8 points by 43 people, and need scikit-learn.
%
%   See also caffe.train.
found = caffe.internal.call('digits');
X = found.train_images;
Y = found.train_labels;
Xtest = found.test_images;
Ytest = found.test_labels;
end
