function folder = new_folder_name()
%NEW_FOLDER_NAME  Where a new bridge shall have its folder: in memory if possible.
%   CAFFE_BRIDGE_DIR overrides the place.
place = getenv('CAFFE_BRIDGE_DIR');
if isempty(place)
  place = tempdir();
  if exist('/dev/shm', 'dir') == 7
    place = '/dev/shm';
  end
end
[~, name] = fileparts(tempname()); % not from rand: the user's random numbers stay as they are
folder = fullfile(place, ['caffe-' name]);
end
