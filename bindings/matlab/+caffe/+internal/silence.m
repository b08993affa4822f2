function seconds = silence()
%SILENCE  Seconds without a sign of life after which the bridge counts as lost.
%   It gives a sign every second, however long a computation takes. CAFFE_BRIDGE_TIMEOUT overrides 60.
seconds = str2double(getenv('CAFFE_BRIDGE_TIMEOUT'));
if ~(seconds > 0)
  seconds = 60;
end
end
