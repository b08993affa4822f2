function resized = imresize(image, wanted, method)
%CAFFE.IMRESIZE  Resize an image with MATLAB's numbers, in Octave too.
%   resized = caffe.imresize(image, [rows columns])   one of the two may be NaN: as the other asks for
%   resized = caffe.imresize(image, scale)
%   resized = caffe.imresize(..., method)   'bicubic', the default, 'bilinear' or 'nearest'
%   image is H x W x ..., of any numeric class; the class stays, and integers are rounded and bounded.
%   An image that is made smaller is smoothed first (antialiasing), except with 'nearest'. Beyond the
%   rim the image is continued as in a mirror.
%
%   The octave-image package's imresize gives other numbers where images are made smaller.
%
%   Example
%     small = caffe.imresize(imread('photo.jpg'), [256 256]);
%
%   See also caffe.io, caffe.classify.
if nargin < 3
  method = 'bicubic';
end
caffe.internal.check((isnumeric(image) || islogical(image)) && ~isempty(image), 'image must be an array of pixels');
[wanted, scale] = sizes([size(image, 1) size(image, 2)], wanted);
values = double(image);
order = 1:2;
if scale(2) < scale(1) % the axis that shrinks more goes first, as in MATLAB
  order = 2:-1:1;
end
for axis = order
  values = along(values, axis, wanted(axis), scale(axis), method);
  if isinteger(image)
    values = double(cast(round(values), class(image))); % cast bounds them; MATLAB rounds after each axis
  end
end
if islogical(image)
  resized = values > 0.5;
else
  resized = cast(values, class(image));
end
end

function [wanted, scale] = sizes(given, wanted)
% Rows and columns that are wanted, and how much larger that is along each axis.
caffe.internal.check(isnumeric(wanted) && any(numel(wanted) == [1 2]) && all(wanted(:) > 0 | isnan(wanted(:))) ...
  && ~all(isnan(wanted(:))), 'give [rows columns], or a scale above 0');
if isscalar(wanted)
  scale = [wanted wanted];
  wanted = ceil(wanted * given);
  return
end
wanted = reshape(double(wanted), 1, 2);
known = find(~isnan(wanted), 1);
scale = wanted ./ given;
scale(isnan(scale)) = scale(known);
wanted(isnan(wanted)) = ceil(scale(known) * given(isnan(wanted)));
end

function values = along(values, axis, wanted, scale, method)
% Resize along one axis: each place of the result is a weighted sum of a few places of the image.
given = size(values, axis);
[places, weights] = contributions(given, wanted, scale, method);
rows = repmat((1:wanted).', 1, size(places, 2));
mixing = sparse(rows(:), places(:), weights(:), wanted, given);
shape = size(values);
others = [axis, setdiff(1:numel(shape), axis)];
flat = mixing * reshape(permute(values, others), given, []);
shape(axis) = wanted;
values = ipermute(reshape(flat, shape(others)), others);
end

function [places, weights] = contributions(given, wanted, scale, method)
% Which places of the image each place of the result is made of, and by what weights.
[kernel, width, smooths] = kernel_of(method);
shrink = 1;
if smooths && scale < 1
  shrink = scale;
end
width = width / shrink;
centre = (1:wanted).' / scale + 0.5 * (1 - 1 / scale);
first = floor(centre - width / 2);
places = first + (0:ceil(width) + 1);
weights = shrink * kernel(shrink * (centre - places));
weights = weights ./ sum(weights, 2);
mirror = [1:given, given:-1:1];
places = mirror(mod(places - 1, 2 * given) + 1);
places = reshape(places, wanted, []);
end

function [kernel, width, smooths] = kernel_of(method)
switch lower(method)
  case {'bicubic', 'cubic'}
    kernel = @cubic;
    width = 4;
    smooths = true;
  case {'bilinear', 'linear', 'triangle'}
    kernel = @(x) max(0, 1 - abs(x));
    width = 2;
    smooths = true;
  case {'nearest', 'box'}
    kernel = @(x) double(-0.5 <= x & x < 0.5);
    width = 1;
    smooths = strcmpi(method, 'box');
  otherwise
    error('caffe:argument', '''%s'' is no method of resizing; use bicubic, bilinear or nearest', method);
end
end

function y = cubic(x)
% Keys' kernel with a = -0.5 (IEEE Trans. ASSP 29, 1981).
x = abs(x);
y = (1.5 * x.^3 - 2.5 * x.^2 + 1) .* (x <= 1) + (-0.5 * x.^3 + 2.5 * x.^2 - 4 * x + 2) .* (1 < x & x <= 2);
end
