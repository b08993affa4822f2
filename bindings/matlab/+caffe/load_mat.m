function net = load_mat(file)
%CAFFE.LOAD_MAT  The net of a .mat file that caffe.save_mat wrote.
%   net = caffe.load_mat(file)   a caffe.Net in phase 'test', that prepares images as the saved one did
%
%   See also caffe.save_mat, caffe.import.
file = caffe.internal.text(file);
caffe.internal.check(ischar(file), 'file must be a string');
caffe.internal.check_file(file);
net = caffe.Net(caffe.internal.call('mat_load', file));
end
