function answer = is_octave()
%IS_OCTAVE  True in GNU Octave, false in MATLAB.
persistent known
if isempty(known)
  known = exist('OCTAVE_VERSION', 'builtin') ~= 0;
end
answer = known;
end
