function h5write(filename, name, data, start, count)
%H5WRITE  Write numbers to a dataset of an HDF5 file, as MATLAB's function of this name does.
%   h5write(filename, name, data)
%   h5write(filename, name, data, start, count)   a part of it; start counts from 1
%
%   See also h5create, h5read.
if nargin < 5
  start = [];
  count = [];
end
caffe.internal.call('h5_write', filename, name, data, double(start), double(count));
end
