function h5create(filename, name, sizes, varargin)
%H5CREATE  Make a dataset in an HDF5 file, as MATLAB's function of this name does.
%   h5create(filename, name, sizes)   an axis of size Inf begins empty and may grow
%   h5create(..., 'Datatype', class, 'ChunkSize', sizes, 'Deflate', 0 to 9, 'FillValue', number)
%
%   See also h5write.
options = inputParser();
options.FunctionName = 'h5create';
options.addParameter('Datatype', 'double');
options.addParameter('ChunkSize', []);
options.addParameter('Deflate', 0);
options.addParameter('FillValue', 0);
options.parse(varargin{:});
given = options.Results;
caffe.internal.call('h5_create', filename, name, double(sizes), given.Datatype, double(given.ChunkSize), ...
  double(given.Deflate), double(given.FillValue));
end
