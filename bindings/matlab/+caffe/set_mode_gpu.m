function set_mode_gpu()
%SET_MODE_GPU  Compute on the graphics card.
caffe.internal.call('set_mode_gpu');
end
