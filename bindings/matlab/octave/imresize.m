function resized = imresize(varargin)
%IMRESIZE  Resize an image with MATLAB's numbers, where the package image is not loaded.
%
%   See also caffe.imresize.
resized = caffe.imresize(varargin{:});
end
