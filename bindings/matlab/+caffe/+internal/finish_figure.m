function finish_figure(handle, file)
%FINISH_FIGURE  Write a figure if a file is named; without a screen it is closed then.
if isempty(file)
  return
end
caffe.internal.save_figure(handle, file);
if ~caffe.internal.has_screen()
  close(handle);
end
end
