function picture = plot_filters(net, layer, file)
%CAFFE.PLOT_FILTERS  The filters of a convolution as a picture.
%   caffe.plot_filters(net, layer)
%   picture = caffe.plot_filters(net, layer, file)   H x W x 3, uint8; and write it to an image file
%   Filters of three channels are shown in colour; of others a row has the channels of one filter, 16 at
%   most, or all filters if there is one channel. Dark is the smallest weight of all, bright the largest.
%
%   See also caffe.plot_log, caffe.Net.
caffe.internal.check(isa(net, 'caffe.Net'), 'net must be a caffe.Net');
layer = caffe.internal.text(layer);
caffe.internal.check(ischar(layer), 'layer must be the name of a layer');
blob = net.params(layer, 1);
caffe.internal.check(numel(blob.shape()) == 4, sprintf('the weights of layer ''%s'' have no width and height', layer));
weights = double(blob.get_data()); % width x height x channels x filters
weights = (weights - min(weights(:))) / max(max(weights(:)) - min(weights(:)), realmin());
weights = permute(weights, [2 1 3 4]);
channels = size(weights, 3);
count = size(weights, 4);
if channels == 3
  tiles = weights(:, :, [3 2 1], :); % Caffe's images are BGR
  columns = ceil(sqrt(count));
elseif channels == 1
  tiles = repmat(weights, [1 1 3 1]);
  columns = ceil(sqrt(count));
else
  columns = min(channels, 16);
  tiles = reshape(weights(:, :, 1:columns, :), size(weights, 1), size(weights, 2), 1, []);
  tiles = repmat(tiles, [1 1 3 1]);
end
picture = sheet(tiles, columns);
if nargin > 2
  imwrite(picture, caffe.internal.text(file));
elseif nargout == 0
  handle = caffe.internal.new_figure(['Filters of ' layer], caffe.internal.has_screen());
  image(picture, 'Parent', axes('Parent', handle));
  axis(get(handle, 'CurrentAxes'), 'image', 'off');
end
end

function picture = sheet(tiles, columns)
% Tiles H x W x 3 x N side by side, each point as large as can be seen, on white.
grown = max(1, floor(40 / max(size(tiles, 1), size(tiles, 2))));
height = grown * size(tiles, 1) + 2;
width = grown * size(tiles, 2) + 2;
rows = ceil(size(tiles, 4) / columns);
picture = 255 * ones(rows * height + 2, columns * width + 2, 3, 'uint8');
for k = 1:size(tiles, 4)
  top = floor((k - 1) / columns) * height + 3;
  left = mod(k - 1, columns) * width + 3;
  tile = tiles(ceil((1:height - 2) / grown), ceil((1:width - 2) / grown), :, k);
  picture(top:top + height - 3, left:left + width - 3, :) = uint8(255 * tile);
end
end
