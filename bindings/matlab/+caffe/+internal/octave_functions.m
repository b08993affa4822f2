function octave_functions()
%OCTAVE_FUNCTIONS  Put what MATLAB has and Octave lacks (h5create, matlab.unittest, ...) behind all else on the path.
if caffe.internal.is_octave()
  here = fileparts(mfilename('fullpath'));
  addpath(fullfile(fileparts(fileparts(here)), 'octave'), '-end');
end
end
