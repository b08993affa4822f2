function [data_size, label_size] = store2hdf5(filename, data, labels, create, startloc, chunk)
%STORE2HDF5  Write images and labels to an HDF5 file for the layer HDF5Data, batch by batch.
%   [data_size, label_size] = store2hdf5(filename, data, labels, create, startloc, chunk)
%   data is W x H x C x N (a data blob), labels is D x N. They become the datasets /data and /label, single.
%   create     true, the default: make the file, replacing one of the same name; false: add to it
%   startloc   where to write: startloc.dat, 1 x 4, and startloc.lab, 1 x 2; by default behind what is there
%   chunk      how many images HDF5 stores together, 1000 by default; it counts when the file is made
%   data_size and label_size are the sizes of the whole datasets after it.
%
%   See also h5create, h5write.
if exist('OCTAVE_VERSION', 'builtin') && ~exist('h5create', 'file')
  bindings = fileparts(fileparts(mfilename('fullpath')));
  addpath(bindings, fullfile(bindings, 'octave'), '-end');
end
data_dims = size(data);
label_dims = size(labels);
count = label_dims(end);
if count == 1 && data_dims(end) ~= 1 % of a single image MATLAB leaves out the last axis
  data_dims(end + 1:max(4, end + 1)) = 1;
end
if data_dims(end) ~= count
  error('caffe:argument', '%d images but %d labels: there must be as many', data_dims(end), count);
end
if nargin < 4 || isempty(create)
  create = true;
end
if nargin < 6
  chunk = 1000;
end
if create
  if exist(filename, 'file') == 2
    fprintf('Warning: %s is replaced\n', filename);
    delete(filename);
  end
  h5create(filename, '/data', [data_dims(1:end - 1) Inf], 'Datatype', 'single', ...
    'ChunkSize', [data_dims(1:end - 1) chunk]);
  h5create(filename, '/label', [label_dims(1:end - 1) Inf], 'Datatype', 'single', ...
    'ChunkSize', [label_dims(1:end - 1) chunk]);
end
if nargin < 5 || isempty(startloc)
  [data_size, label_size] = sizes(filename);
  startloc = struct('dat', [ones(1, numel(data_dims) - 1), data_size(end) + 1], ...
    'lab', [ones(1, numel(label_dims) - 1), label_size(end) + 1]);
end
h5write(filename, '/data', single(data), startloc.dat, data_dims);
h5write(filename, '/label', single(labels), startloc.lab, label_dims);
[data_size, label_size] = sizes(filename);
end

function [data_size, label_size] = sizes(filename)
% The datasets' sizes.
data = h5info(filename, '/data');
label = h5info(filename, '/label');
data_size = data.Dataspace.Size;
label_size = label.Dataspace.Size;
end
