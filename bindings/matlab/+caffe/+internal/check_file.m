function check_file(file)
%CHECK_FILE  Raise caffe:missingFile unless a file exists.
if exist(file, 'file') == 0
  error('caffe:missingFile', '%s does not exist', file);
end
end
