function text = from_utf8(bytes)
%FROM_UTF8  A row of bytes as text.
if isempty(bytes)
  text = '';
elseif all(bytes < 128)
  text = char(bytes);
else
  text = native2unicode(bytes, 'UTF-8');
end
end
