function cancel()
%CANCEL  Stop the request under way, if any: what remains to be done after Ctrl-C. Never throws.
try
  bridge = caffe.internal.connection('peek');
  if ~isempty(bridge)
    bridge.cancel();
  end
catch
end
end
