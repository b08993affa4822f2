function release(handle)
%RELEASE  Let go of a net or solver, for destructors: starts no bridge, waits for nothing, never throws.
try
  bridge = caffe.internal.connection('peek');
  if ~isempty(bridge)
    bridge.tell('release', {handle});
  end
catch
end
end
