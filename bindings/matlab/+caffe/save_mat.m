function save_mat(net, file)
%CAFFE.SAVE_MAT  Write a net to a .mat file: description, weights, preprocessing and classes.
%   caffe.save_mat(net, file)
%   caffe.load_mat makes the net again. load(file) shows what is in it: prototxt, and layers, an n x 1
%   struct with name, type and params, the arrays of net.params(name, k).get_data(); they may be changed
%   and written back with save(file, '-v7', 'caffe_net', 'prototxt', 'layers').
%
%   See also caffe.load_mat, caffe.Net.
caffe.internal.check(isa(net, 'caffe.Net'), 'net must be a caffe.Net');
file = caffe.internal.text(file);
caffe.internal.check(ischar(file), 'file must be a string');
caffe.internal.call('mat_save', net.handle_net, file);
end
