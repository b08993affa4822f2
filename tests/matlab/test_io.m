function tests = test_io()
tests = localfunctions();
tests = tests(strncmp('test_', cellfun(@func2str, tests, 'UniformOutput', false), 5));
end

function file = picture(name)
% Pictures of 4 x 3 pixels (width x height) that test_octave.py draws.
file = fullfile(getenv('CAFFE_TEST_FILES'), name);
end

function test_colour()
image = caffe.io.load_image(picture('colour.png'));
check_equal(class(image), 'single');
check_equal(size(image), [4 3 3]);
check_equal(squeeze(image(2, 1, :)), single([12; 11; 10])); % blue, green, red of x = 1, y = 0
check_equal(image(:, :, 1), single(12 + [-10 -9 -8; 0 1 2; 10 11 12; 20 21 22]));
end

function test_grey()
image = caffe.io.load_image(picture('grey.png'));
check_equal(image, single([0 1 2; 10 11 12; 20 21 22; 30 31 32]));
end

function test_indexed_colours_are_looked_up()
check_equal(caffe.io.load_image(picture('indexed.png')), caffe.io.load_image(picture('colour.png')));
end

function test_images_that_are_none()
check_error(@() caffe.io.load_image(1), 'caffe:argument', 'im_file must be a string');
check_error(@() caffe.io.load_image('nowhere.png'), 'caffe:missingFile', 'nowhere.png does not exist');
end

function test_imresize_is_there_as_in_matlab()
caffe.version(); % whoever uses caffe has it
image = reshape(single(1:60), [4 5 3]);
check_equal(imresize(image, [8 3], 'bilinear'), caffe.imresize(image, [8 3], 'bilinear'));
end

function test_mean_there_and_back()
for channels = [1 3]
  mean_data = reshape(single(1:200 * 300 * channels) / 7, [200 300 channels]);
  file = [tempname() '.binaryproto'];
  caffe.io.write_mean(mean_data, file);
  check_equal(caffe.io.read_mean(file), mean_data);
end
end

function test_small_mean()
file = [tempname() '.binaryproto'];
mean_data = reshape(single(1:24), [4 3 2]);
caffe.io.write_mean(mean_data, file);
check_equal(caffe.io.read_mean(file), mean_data);
end

function test_means_that_are_none()
file = [tempname() '.binaryproto'];
check_error(@() caffe.io.write_mean(ones(3), file), 'caffe:argument', 'mean_data must be a SINGLE matrix');
check_error(@() caffe.io.write_mean(single(1), 1), 'caffe:argument', 'mean_proto_file must be a string');
check_error(@() caffe.io.write_mean(ones(2, 2, 2, 2, 'single'), file), 'caffe:argument', ...
  'mean_data must have 2 or 3 dimensions');
check_error(@() caffe.io.write_mean(single(1), '/nowhere/mean.binaryproto'), 'caffe:write', '/nowhere/mean.binaryproto');
check_error(@() caffe.io.read_mean(1), 'caffe:argument', 'mean_proto_file must be a string');
check_error(@() caffe.io.read_mean('nowhere'), 'caffe:missingFile', 'nowhere does not exist');
file = write_text('this is no BlobProto');
check_error(@() caffe.io.read_mean(file), 'caffe:corruptFile', 'Could not read your mean file');
end
