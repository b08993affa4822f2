function bridge = connection(action)
%CONNECTION  The one bridge of this MATLAB or Octave.
%   bridge = connection()         the bridge, started on first use
%   bridge = connection('peek')   the bridge if it was started, [] otherwise
%   connection('close')           end it; the next use starts another
persistent current
mlock(); % 'clear all' keeps the bridge in MATLAB; in Octave it ends it with the nets
if nargin < 1
  if isempty(current)
    current = caffe.internal.Bridge();
  end
elseif strcmp(action, 'close') && ~isempty(current)
  closing = current;
  current = [];
  closing.close();
end
bridge = current;
end
