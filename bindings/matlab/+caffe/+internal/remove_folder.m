function remove_folder(folder)
%REMOVE_FOLDER  Remove a folder and what is in it, if it is there. Never asks.
if exist(folder, 'dir') == 7
  if caffe.internal.is_octave()
    asking = confirm_recursive_rmdir(false);
    restore = onCleanup(@() confirm_recursive_rmdir(asking));
  end
  [~, ~] = rmdir(folder, 's');
end
end
