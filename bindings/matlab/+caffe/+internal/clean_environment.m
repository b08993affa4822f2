function prefix = clean_environment()
%CLEAN_ENVIRONMENT  What a shell command starts with so that MATLAB's own libraries stay out of it.
prefix = '';
if isunix() && ~caffe.internal.is_octave()
  prefix = 'env -u LD_LIBRARY_PATH -u LD_PRELOAD ';
end
end
