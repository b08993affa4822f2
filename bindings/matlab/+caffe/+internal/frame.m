function bytes = frame(kind, number, payload, flags)
%FRAME  The bytes of one frame, as caffe_sdk/bridge/frames.py describes them.
bytes = [uint8('C1') uint8(kind) uint8(flags) typecast(uint32(number), 'uint8') ...
  typecast(uint64(numel(payload)), 'uint8') payload];
if numel(bytes) < 64
  bytes(64) = 0;
end
end
