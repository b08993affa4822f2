function h5disp(filename)
%H5DISP  Print what an HDF5 file holds, much as MATLAB's function of this name does.
%
%   See also h5info.
fprintf('HDF5 %s\n', filename);
show(filename, '/', 0);
end

function show(filename, name, depth)
indent = repmat(' ', 1, 4 * depth);
found = h5info(filename, name);
fprintf('%sGroup ''%s''\n', indent, name);
for k = 1:numel(found.Datasets)
  dataset = found.Datasets(k);
  fprintf('%s    Dataset ''%s''\n', indent, dataset.Name);
  fprintf('%s        Size:  %s\n', indent, sizes(dataset.Dataspace.Size));
  fprintf('%s        MaxSize:  %s\n', indent, sizes(dataset.Dataspace.MaxSize));
  fprintf('%s        Datatype:   %s\n', indent, dataset.Datatype.Type);
  fprintf('%s        ChunkSize:  %s\n', indent, sizes(dataset.ChunkSize));
  fprintf('%s        FillValue:  %f\n', indent, dataset.FillValue);
end
for k = 1:numel(found.Groups)
  show(filename, found.Groups(k).Name, depth + 1);
end
end

function words = sizes(row)
words = strjoin(arrayfun(@(n) sprintf('%g', n), row, 'UniformOutput', false), 'x');
if isempty(row)
  words = '[]';
end
end
