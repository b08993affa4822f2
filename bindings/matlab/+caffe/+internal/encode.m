function [bytes, large] = encode(value)
%ENCODE  A value as the row of bytes that caffe_sdk/bridge/values.py decodes.
%   [bytes, large] = encode(value)   numeric arrays above 64 KB are not in the bytes but in the
%                                    cell array 'large', which travels in a file beside them
[bytes, large] = part(value, {});
end

function [bytes, large] = part(value, large)
% The bytes of a value; its large arrays are put behind those in 'large'.
if ischar(value)
  text = caffe.internal.to_utf8(value);
  bytes = [head(32, numel(text)) text];
elseif iscell(value)
  [bytes, large] = parts(head(34, numel(value)), value, large);
elseif isstruct(value) && isscalar(value)
  names = fieldnames(value);
  [bytes, large] = parts(head(35, numel(names)), [names.'; struct2cell(value).'], large);
elseif (isnumeric(value) || islogical(value)) && isreal(value)
  [bytes, large] = numbers(full(value), large);
else
  error('caffe:argument', 'a %s of size [ %s] cannot be sent', class(value), sprintf('%d ', size(value)));
end
end

function [bytes, large] = parts(bytes, items, large)
for k = 1:numel(items)
  [fresh, large] = part(items{k}, large);
  bytes = [bytes fresh]; %#ok<AGROW>
end
end

function [bytes, large] = numbers(array, large)
[names, widths] = caffe.internal.classes();
code = find(strcmp(class(array), names)) - 1;
if numel(array) * widths(code + 1) <= 65536
  if islogical(array)
    array = uint8(array);
  end
  bytes = head(code, size(array));
  if ~isempty(array)
    bytes = [bytes typecast(array(:).', 'uint8')];
  end
else
  chunks = cut(array, floor(2^30 / widths(code + 1)));
  bytes = [head(code + 128, size(array)) typecast(uint32([numel(large) numel(chunks)]), 'uint8')];
  large = [large chunks];
end
end

function bytes = head(code, dimensions)
bytes = [uint8([code numel(dimensions)]) typecast(uint32(dimensions), 'uint8')];
end

function chunks = cut(array, most)
% .mat version 6 holds less than 2 GB in one variable.
count = ceil(numel(array) / most);
chunks = {array};
if count > 1
  chunks = cell(1, count);
  for k = 1:count
    chunks{k} = array((k - 1) * most + 1:min(k * most, numel(array)));
  end
end
end
