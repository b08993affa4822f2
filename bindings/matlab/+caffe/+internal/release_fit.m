function release_fit(handle)
%RELEASE_FIT  Let go of a training, for destructors: starts no bridge, waits for nothing, never throws.
try
  bridge = caffe.internal.connection('peek');
  if ~isempty(bridge)
    bridge.cancel();
    bridge.tell('fit_close', {handle});
  end
catch
end
end
