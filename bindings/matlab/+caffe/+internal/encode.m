function [bytes, large] = encode(value, first)
%ENCODE  A value as the row of bytes that caffe_sdk/bridge/values.py decodes.
%   [bytes, large] = encode(value)   numeric arrays above 64 KB are not in the bytes but in the
%                                    cell array 'large', which travels in a file beside them
%   ... = encode(value, first)       'first' large arrays are there already
if nargin < 2
  first = 0;
end
large = {};
if ischar(value)
  text = unicode2native(value(:).', 'UTF-8');
  bytes = [head(32, numel(text)) text(:).'];
elseif iscell(value)
  [bytes, large] = elements(value, first);
  bytes = [head(34, numel(value)) bytes];
elseif isstruct(value) && isscalar(value)
  names = fieldnames(value);
  [bytes, large] = elements([names.'; struct2cell(value).'], first);
  bytes = [head(35, numel(names)) bytes];
elseif (isnumeric(value) || islogical(value)) && isreal(value)
  [bytes, large] = numbers(full(value), first);
else
  error('caffe:argument', 'a %s of size [ %s] cannot be sent', class(value), sprintf('%d ', size(value)));
end
end

function [bytes, large] = elements(items, first)
parts = cell(1, numel(items));
large = {};
for k = 1:numel(items)
  [parts{k}, more] = caffe.internal.encode(items{k}, first + numel(large));
  large = [large more]; %#ok<AGROW>
end
bytes = [zeros(1, 0, 'uint8') parts{:}];
end

function [bytes, large] = numbers(array, first)
code = find(strcmp(class(array), caffe.internal.classes())) - 1;
width = sizeof_class(code);
large = {};
if numel(array) * width <= 65536
  if islogical(array)
    array = uint8(array);
  end
  raw = zeros(1, 0, 'uint8');
  if ~isempty(array)
    raw = typecast(array(:).', 'uint8');
  end
  bytes = [head(code, size(array)) raw];
else
  large = chunks(array, floor(2^30 / width));
  bytes = [head(code + 128, size(array)) typecast(uint32([first numel(large)]), 'uint8')];
end
end

function bytes = head(code, dimensions)
bytes = [uint8([code numel(dimensions)]) typecast(uint32(dimensions), 'uint8')];
end

function width = sizeof_class(code)
widths = [8 4 1 1 2 2 4 4 8 8 1];
width = widths(code + 1);
end

function parts = chunks(array, most)
% .mat version 6 holds less than 2 GB in one variable
if numel(array) <= most
  parts = {array};
  return
end
count = ceil(numel(array) / most);
parts = cell(1, count);
for k = 1:count
  parts{k} = array((k - 1) * most + 1:min(k * most, numel(array)));
end
end
