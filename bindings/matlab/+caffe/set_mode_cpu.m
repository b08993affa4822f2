function set_mode_cpu()
%SET_MODE_CPU  Compute on the processor.
caffe.internal.call('set_mode_cpu');
end
