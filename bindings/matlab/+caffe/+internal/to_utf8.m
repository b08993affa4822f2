function bytes = to_utf8(text)
%TO_UTF8  Text as a row of bytes.
text = text(:).';
if all(text < 128)
  bytes = uint8(text);
else
  bytes = unicode2native(text, 'UTF-8');
  bytes = bytes(:).';
end
end
