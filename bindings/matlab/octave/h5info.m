function found = h5info(filename, name)
%H5INFO  What an HDF5 file, a group or a dataset holds, as MATLAB's function of this name tells.
%   found = h5info(filename)         its Datasets, a struct array, and the names of its Groups
%   found = h5info(filename, name)   of a group, or Dataspace, Datatype and so on of a dataset
%
%   See also h5disp, h5read.
if nargin < 2
  name = '/';
end
answer = caffe.internal.call('h5_info', filename, name);
if isfield(answer, 'dataset')
  found = described(answer.dataset);
  found.Filename = filename;
  return
end
found = struct('Filename', filename, 'Name', name);
found.Groups = struct('Name', answer.groups);
datasets = cellfun(@described, answer.datasets, 'UniformOutput', false);
found.Datasets = vertcat(datasets{:});
end

function found = described(dataset)
% A dataset as MATLAB describes it.
found = struct('Name', dataset.name, ...
  'Datatype', struct('Name', '', 'Class', dataset.class, 'Type', dataset.type), ...
  'Dataspace', struct('Size', dataset.size, 'MaxSize', dataset.max_size, 'Type', 'simple'), ...
  'ChunkSize', dataset.chunk, 'FillValue', dataset.fill);
end
