function classes = class_names(net, labels, count)
%CLASS_NAMES  Names of a net's classes, or numbers: as given, as the net has them, or from 0.
if isempty(labels)
  classes = caffe.internal.call('net_classes', net.handle_net);
else
  classes = caffe.internal.label_names(labels);
end
if isempty(classes)
  classes = (0:count - 1).';
end
caffe.internal.check(numel(classes) == count, sprintf('there are %d labels for %d classes', numel(classes), count));
end
