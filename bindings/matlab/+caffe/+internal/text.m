function value = text(value)
%TEXT  MATLAB's strings as what Octave has too: char, or a cell array of them; all else as it is.
if isa(value, 'string')
  if isscalar(value)
    value = char(value);
  else
    value = cellstr(value);
  end
end
end
