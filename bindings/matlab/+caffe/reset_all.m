function reset_all()
%RESET_ALL  Clear all solvers and nets; objects made before can no longer be used.
%   It also starts afresh after the Caffe process was lost.
cleared = [0 0];
bridge = caffe.internal.connection('peek');
if ~isempty(bridge)
  try
    cleared = bridge.request('reset', {});
  catch
    caffe.internal.connection('close');
  end
end
fprintf('Cleared %d solvers and %d stand-alone nets\n', cleared);
end
