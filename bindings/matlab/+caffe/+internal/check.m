function check(condition, message)
%CHECK  Raise caffe:argument with a message unless a condition holds.
if ~condition
  error('caffe:argument', '%s', message);
end
end
