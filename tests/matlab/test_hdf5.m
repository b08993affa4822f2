function tests = test_hdf5()
addpath(fullfile(getenv('CAFFE_TEST_BINDINGS'), 'hdf5creation'));
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function test_batches_are_added()
file = [tempname() '.h5'];
data = reshape(single(1:240), [4 3 2 10]);
labels = reshape(1:20, [2 10]);
[data_size, label_size] = store2hdf5(file, data(:, :, :, 1:4), labels(:, 1:4), 1, struct('dat', [1 1 1 1], 'lab', [1 1]), 4);
check_equal(data_size, [4 3 2 4]);
check_equal(label_size, [2 4]);
data_size = store2hdf5(file, data(:, :, :, 5:9), labels(:, 5:9), 0, struct('dat', [1 1 1 5], 'lab', [1 5]));
check_equal(data_size, [4 3 2 9]);
[data_size, label_size] = store2hdf5(file, data(:, :, :, 10), labels(:, 10), false);
check_equal(data_size, [4 3 2 10]);
check_equal(label_size, [2 10]);
check_equal(h5read(file, '/data'), data);
check_equal(h5read(file, '/label'), single(labels));
end

function test_a_file_is_replaced_and_a_single_image_is_stored()
file = [tempname() '.h5'];
store2hdf5(file, ones(4, 3, 2, 5), ones(1, 5));
said = evalc('data_size = store2hdf5(file, 2 * ones(4, 3), 7);');
assert(~isempty(strfind(said, 'is replaced')));
check_equal(data_size, [4 3 1 1]);
check_equal(h5read(file, '/data'), 2 * ones(4, 3, 'single'));
end

function test_numbers_of_images_and_labels_agree()
check_error(@() store2hdf5([tempname() '.h5'], ones(4, 3, 2, 5), ones(1, 4)), 'caffe:argument', ...
  '5 images but 4 labels: there must be as many');
end

function test_images_of_another_size_are_refused()
file = [tempname() '.h5'];
store2hdf5(file, ones(4, 3, 2, 5), ones(1, 5));
check_error(@() store2hdf5(file, ones(4, 4, 2, 5), ones(1, 5), false), 'caffe:shape', ...
  '[ 4 4 2 10 ] is more than the dataset may have, [ 4 3 2 Inf ]');
end

function test_datasets_of_every_class()
file = [tempname() '.h5'];
for name = {'double', 'single', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'}
  dataset = ['/group/' name{1}];
  h5create(file, dataset, [3 4], 'Datatype', name{1});
  h5write(file, dataset, reshape(1:12, 3, 4));
  check_equal(h5read(file, dataset), cast(reshape(1:12, 3, 4), name{1}));
end
end

function test_parts()
file = [tempname() '.h5'];
h5create(file, '/a', [4 5], 'FillValue', -1, 'ChunkSize', [2 2], 'Deflate', 6);
h5write(file, '/a', [1 2; 3 4], [2 3], [2 2]);
wanted = -ones(4, 5);
wanted(2:3, 3:4) = [1 2; 3 4];
check_equal(h5read(file, '/a'), wanted);
check_equal(h5read(file, '/a', [2 1], [2 Inf]), wanted(2:3, :));
h5create(file, '/row', 6);
h5write(file, '/row', 1:6);
check_equal(h5read(file, '/row'), (1:6).');
end

function test_what_a_file_holds()
file = [tempname() '.h5'];
h5create(file, '/b', [3 Inf], 'Datatype', 'single', 'ChunkSize', [3 10]);
h5create(file, '/deep/inside/c', 2);
found = h5info(file);
check_equal({found.Datasets.Name}, {'b'});
check_equal(found.Datasets.Dataspace.Size, [3 0]);
check_equal(found.Datasets.Dataspace.MaxSize, [3 Inf]);
check_equal(found.Datasets.ChunkSize, [3 10]);
check_equal(found.Datasets.Datatype.Type, 'H5T_IEEE_F32LE');
check_equal({found.Groups.Name}, {'/deep'});
check_equal(h5info(file, '/deep/inside/c').Dataspace.Size, 2);
said = evalc('h5disp(file)');
for words = {'Dataset ''b''', 'MaxSize:  3xInf', 'Group ''/deep/inside''', 'H5T_IEEE_F64LE'}
  assert(~isempty(strfind(said, words{1})), said);
end
end

function test_what_cannot_be()
file = [tempname() '.h5'];
check_error(@() h5read(file, '/a'), 'caffe:missingFile', 'does not exist');
h5create(file, '/a', [3 4]);
check_error(@() h5create(file, '/a', [3 4]), 'caffe:argument', 'there is a dataset ''/a'' already');
check_error(@() h5create(file, '/b', [3 Inf]), 'caffe:argument', 'give ''ChunkSize''');
check_error(@() h5create(file, '/b', [3 4], 'ChunkSize', 2), 'caffe:argument', 'ChunkSize has 1 numbers');
check_error(@() h5create(file, '/b', [3 4], 'Datatype', 'string'), 'caffe:argument', '''string'' is no Datatype');
check_error(@() h5read(file, '/b'), 'caffe:argument', 'there is no dataset ''/b''');
check_error(@() h5info(file, '/b'), 'caffe:argument', 'there is no ''/b''');
check_error(@() h5read(file, '/a', [1 1], [4 4]), 'caffe:shape', 'are not in [ 3 4 ]');
check_error(@() h5read(file, '/a', [0 1], [1 1]), 'caffe:argument', 'start is below 1');
check_error(@() h5read(file, '/a', 1, 1), 'caffe:argument', 'the dataset has 2 axes');
check_error(@() h5write(file, '/a', 1:3), 'caffe:shape', '[ 1 3 ] numbers for a dataset of [ 3 4 ]');
check_error(@() h5write(file, '/a', 1:3, [1 1], [1 2]), 'caffe:shape', '3 numbers for a place of [ 1 2 ]');
check_error(@() h5write(file, '/a', ones(4, 4)), 'caffe:shape', 'more than the dataset may have');
check_error(@() h5read(write_text('no HDF5'), '/a'), 'caffe:corruptFile', 'HDF5 says');
end
