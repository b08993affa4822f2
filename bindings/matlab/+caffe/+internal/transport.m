function name = transport()
%TRANSPORT  How to talk to the bridge: 'pipe' (Octave on Unix) or 'tcp'.
%   The environment variable CAFFE_BRIDGE_TRANSPORT overrides the choice. In Octave a pipe answers
%   four times as fast as a socket and needs no package; MATLAB has no pipes.
name = getenv('CAFFE_BRIDGE_TRANSPORT');
if isempty(name)
  name = 'tcp';
  if caffe.internal.is_octave() && isunix()
    name = 'pipe';
  end
end
caffe.internal.check(any(strcmp(name, {'pipe', 'tcp'})), ...
  ['CAFFE_BRIDGE_TRANSPORT is ''' name ''', it can be ''pipe'' or ''tcp''']);
end
