function [values, details] = infer(net, images, layer, options)
%INFER  Values of a layer for images in any form: N x F, or H x W x C x N with images last.
%   [values, details] = infer(net, images, layer, options)
%   details.axes tells how many axes the layer's blob has, details.names the files that were read.
%   images is an array H x W x C x N, a file, a folder, or a cell array of files or of images.
caffe.internal.check(isa(net, 'caffe.Net'), 'net must be a caffe.Net');
images = caffe.internal.text(images);
if iscell(images) && ~iscellstr(images)
  [values, details] = one_by_one(net, images, layer, options);
  return
end
caffe.internal.check(ischar(images) || iscellstr(images) || isnumeric(images) || islogical(images), ...
  'images must be an array H x W x C x N, or names of files or of a folder');
if ischar(images)
  caffe.internal.check_file(images);
end
details = caffe.internal.call('net_infer', net.handle_net, images, layer, caffe.internal.given(options));
values = details.values;
end

function [values, details] = one_by_one(net, images, layer, options)
% Images of sizes of their own.
caffe.internal.check(~isempty(images), 'images: there are none');
parts = cell(numel(images), 1);
for k = 1:numel(parts)
  caffe.internal.check(isnumeric(images{k}), 'images must be arrays H x W x C, or names of files');
  [parts{k}, details] = caffe.internal.infer(net, images{k}, layer, options);
end
axis = 4;
if details.axes <= 2
  axis = 1;
end
values = cat(axis, parts{:});
end
