function file = input_net_file(dims)
%INPUT_NET_FILE  A net of one blob, 'data', of these sizes in Caffe's order, and its ReLU.
shape = '';
if ~isempty(dims)
  shape = sprintf('dim: %d ', dims);
end
file = write_text(['layer { name: "data" type: "Input" top: "data" input_param { shape { ' shape '} } }'], ...
  'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }');
end
