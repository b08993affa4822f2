function measure_latency(rounds)
%MEASURE_LATENCY  Print the milliseconds of calls to the bridge, a line each: name, median, least.
%   6 MB is a batch of 10 images of 227 x 227 x 3. The net computes nothing but a ReLU of it, whose own time
%   is measured too.
images = rand(227, 227, 3, 10, 'single');
file = [tempname() '.prototxt'];
stream = fopen(file, 'w');
fprintf(stream, 'layer { name: "data" type: "Input" top: "data" ');
fprintf(stream, 'input_param { shape { dim: 10 dim: 3 dim: 227 dim: 227 } } }\n');
fprintf(stream, 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n');
fclose(stream);
starts = zeros(1, 5);
for k = 1:numel(starts)
  caffe.internal.connection('close');
  began = tic();
  caffe.version();
  starts(k) = 1000 * toc(began);
end
show('bridge start', starts);
solver = write_solver(file);
net = caffe.Net(file, 'test');
blob = net.blobs('data');
calls = {'scalar call', @() solver.iter(); 'blob.shape', @() blob.shape(); ...
  'set_data 6 MB', @() blob.set_data(images); 'get_data 6 MB', @() blob.get_data(); ...
  'net.forward({6 MB}) -> 6 MB', @() net.forward({images}); 'forward_prefilled', @() net.forward_prefilled()};
for k = 1:size(calls, 1)
  call = calls{k, 2};
  call(); % warms up
  milliseconds = zeros(1, rounds);
  for round = 1:rounds
    began = tic();
    call();
    milliseconds(round) = 1000 * toc(began);
  end
  show(calls{k, 1}, milliseconds);
end
end

function solver = write_solver(net_file)
file = [tempname() '.prototxt'];
stream = fopen(file, 'w');
fprintf(stream, 'net: "%s" base_lr: 0.01 lr_policy: "fixed" max_iter: 1\n', net_file);
fclose(stream);
solver = caffe.Solver(file);
end

function show(name, milliseconds)
fprintf('%-28s %8.2f ms (least %.2f)\n', name, median(milliseconds), min(milliseconds));
end
