classdef io
  %CAFFE.IO  Images and mean images.
  %   caffe.io.load_image, caffe.io.read_mean, caffe.io.write_mean
  methods (Static)
    function im_data = load_image(im_file)
      %LOAD_IMAGE  An image file as Caffe wants it.
      %   im_data = caffe.io.load_image(im_file)   width x height x channels, single, 0 to 255;
      %   3 channels are blue, green, red; a grey image has 1. Indexed colours are looked up.
      caffe.internal.check(ischar(im_file), 'im_file must be a string');
      caffe.internal.check_file(im_file);
      [pixels, map] = imread(im_file);
      if ~isempty(map)
        pixels = reshape(round(255 * map(double(pixels(:)) + ~isfloat(pixels), :)), [size(pixels) 3]);
      end
      if size(pixels, 3) >= 3
        pixels = pixels(:, :, [3 2 1]);
      end
      im_data = single(permute(pixels, [2 1 3]));
    end
    function mean_data = read_mean(mean_proto_file)
      %READ_MEAN  A mean image from a binaryproto file.
      %   mean_data = caffe.io.read_mean(mean_proto_file)   width x height x channels, single
      caffe.internal.check(ischar(mean_proto_file), 'mean_proto_file must be a string');
      caffe.internal.check_file(mean_proto_file);
      mean_data = caffe.internal.call('read_mean', mean_proto_file);
    end
    function write_mean(mean_data, mean_proto_file)
      %WRITE_MEAN  Write a mean image to a binaryproto file.
      %   caffe.io.write_mean(mean_data, mean_proto_file)   mean_data is width x height x channels, single
      caffe.internal.check(ischar(mean_proto_file), 'mean_proto_file must be a string');
      caffe.internal.check(isa(mean_data, 'single'), 'mean_data must be a SINGLE matrix');
      caffe.internal.check(ndims(mean_data) <= 3, 'mean_data must have 2 or 3 dimensions');
      caffe.internal.call('write_mean', mean_data, mean_proto_file);
    end
  end
end
