function file = write_text(varargin)
%WRITE_TEXT  A new temporary file with these lines.
file = [tempname() '.prototxt'];
stream = fopen(file, 'w');
fprintf(stream, '%s\n', varargin{:});
fclose(stream);
end
