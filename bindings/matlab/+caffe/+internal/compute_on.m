function compute_on(environment)
%COMPUTE_ON  Follow the option ExecutionEnvironment: 'auto' leaves the mode as it is, 'cpu', 'gpu'.
switch lower(environment)
  case 'auto'
  case 'cpu'
    caffe.set_mode_cpu();
  case 'gpu'
    caffe.set_mode_gpu();
  otherwise
    error('caffe:argument', 'ExecutionEnvironment is ''%s'', it can be auto, cpu or gpu', environment);
end
end
