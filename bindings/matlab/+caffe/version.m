function text = version()
%VERSION  The version of Caffe that computes.
text = caffe.internal.call('version');
end
