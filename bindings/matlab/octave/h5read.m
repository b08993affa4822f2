function data = h5read(filename, name, start, count)
%H5READ  The numbers of a dataset of an HDF5 file, as MATLAB's function of this name gives them.
%   data = h5read(filename, name)
%   data = h5read(filename, name, start, count)   a part of it; start counts from 1, Inf is all that follow
%
%   See also h5write, h5info.
if nargin < 4
  start = [];
  count = [];
end
data = caffe.internal.call('h5_read', filename, name, double(start), double(count));
end
