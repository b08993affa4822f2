function arrays = singles(arrays)
%SINGLES  The arrays of a cell array as single, for blobs.
for k = 1:numel(arrays)
  caffe.internal.check(isnumeric(arrays{k}), 'data or diff must be numeric types');
  arrays{k} = single(arrays{k});
end
end
