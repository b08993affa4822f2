%DEMO  Write random images to an HDF5 file batch by batch, read them back and compare.
%   Run it from its own directory. It leaves trial.h5, which the layer HDF5Data reads through list.txt.
%
%   See also store2hdf5.
filename = 'trial.h5';
total = 10000;
batch = 1000;
data = rand(5, 5, 1, total, 'single');
labels = floor(10 * rand(10, total, 'single'));

for first = 1:batch:total
  these = first:first + batch - 1;
  start = struct('dat', [1 1 1 first], 'lab', [1 first]);
  sizes = store2hdf5(filename, data(:, :, :, these), labels(:, these), first == 1, start, batch);
  fprintf('%5d of %d images are in %s\n', sizes(end), total, filename);
end

h5disp(filename);
if isequal(h5read(filename, '/data'), data) && isequal(h5read(filename, '/label'), labels)
  fprintf('Success: what was read is what was written\n');
else
  error('caffe:demo', 'what was read is not what was written');
end

list = fopen('list.txt', 'w');
fprintf(list, '%s\n', filename);
fclose(list);
fprintf('HDF5Data reads it: hdf5_data_param { source: "list.txt" }\n');
