function results = play_script()
%PLAY_SCRIPT  What a script of MatCaffe gets, wherever nets live: a cell array of numbers.
model = test_net_file();
net = caffe.Net(model, 'train');
weights = [tempname() '.caffemodel'];
for k = 1:2
  shape = net.params('conv', k).shape;
  net.params('conv', k).set_data(reshape(sin(1:prod(shape)), [shape 1]));
  shape = net.layers('ip').params(k).shape;
  net.layers('ip').params(k).set_data(reshape(cos(1:prod(shape)) / 10, [shape 1]));
end
data = reshape(sin(0.1 * (1:120)), [4 3 2 5]);
label = [1; 3; 5; 7; 9];
loss = net.forward({data, label});
gradient = net.backward({1});
shape = net.blobs('conv').shape;
net.save(weights);
second = caffe.Net(model, weights, 'test');
second.blobs('data').reshape([4 3 2 2]);
second.blobs('label').reshape(2);
second.reshape();
second.blobs('data').set_data(data(:, :, :, 1:2));
second.forward_prefilled();
second.copy_from(weights);
file = write_text(['net: "' model '"'], 'base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" display: 2 max_iter: 20', ...
  'test_iter: 1 test_interval: 100 test_initialization: false snapshot_after_train: false random_seed: 3');
solver = caffe.Solver(file);
solver.net.copy_from(weights);
solver.net.blobs('data').set_data(data);
solver.net.blobs('label').set_data(label);
log = evalc('solver.step(7); solver.solve();');
losses = cellfun(@(each) str2double(each{1}), regexp(log, 'Iteration \d+[^\n]*, loss = (\S+)', 'tokens'));
results = {loss{1}, gradient{1}, numel(gradient), shape, second.blobs('ip').get_data(), ...
  second.params('conv', 1).get_diff(), net.params('conv', 1).get_diff(), losses, solver.iter(), solver.max_iter(), ...
  solver.net.params('ip', 1).get_data(), solver.test_nets(1).blobs('ip').shape};
end
