function set_device(device_id)
%SET_DEVICE  Choose the graphics card, counted from 0.
caffe.internal.check(isnumeric(device_id) && isscalar(device_id) && device_id >= 0, ...
  'device_id must be non-negative integer');
caffe.internal.call('set_device', double(device_id));
end
