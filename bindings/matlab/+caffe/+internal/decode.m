function value = decode(bytes, large)
%DECODE  The value in a row of bytes that caffe_sdk/bridge/values.py encoded.
%   value = decode(bytes, large)   'large' is the struct of the arrays in the file beside them
if nargin < 2
  large = struct();
end
value = part(bytes, 1, large);
end

function [value, at] = part(bytes, at, large)
% The value at a position, and the position behind it.
code = double(bytes(at));
count = double(bytes(at + 1));
at = at + 2;
dimensions = double(typecast(bytes(at:at + 4 * count - 1), 'uint32'));
at = at + 4 * count;
if code < 32
  [value, at] = numbers(bytes, at, code, dimensions);
elseif code >= 128
  value = from_file(large, double(typecast(bytes(at:at + 7), 'uint32')), dimensions);
  at = at + 8;
else
  switch code
    case 32
      [value, at] = text(bytes, at, dimensions);
    case 33
      [value, at] = text(bytes, at, dimensions(2));
      if dimensions(1) == 0
        value = cell(0, 1);
      else
        value = reshape(strsplit(value, char(0), 'CollapseDelimiters', false), [], 1);
      end
    case 34
      value = cell(dimensions, 1);
      for k = 1:dimensions
        [value{k}, at] = part(bytes, at, large);
      end
    case 35
      value = struct();
      for k = 1:dimensions
        [name, at] = part(bytes, at, large);
        [value.(name), at] = part(bytes, at, large);
      end
  end
end
end

function [value, at] = text(bytes, at, count)
value = caffe.internal.from_utf8(bytes(at:at + count - 1));
at = at + count;
end

function [value, at] = numbers(bytes, at, code, dimensions)
[names, widths] = caffe.internal.classes();
name = names{code + 1};
count = prod(dimensions) * widths(code + 1);
raw = bytes(at:at + count - 1);
at = at + count;
if strcmp(name, 'logical')
  value = reshape(logical(raw), dimensions);
elseif count == 0
  value = zeros(dimensions, name);
else
  value = reshape(typecast(raw, name), dimensions);
end
end

function value = from_file(large, range, dimensions)
parts = cell(1, range(2));
for k = 1:range(2)
  parts{k} = large.(sprintf('a%d', range(1) + k - 1));
end
if numel(parts) == 1
  value = parts{1};
else
  value = vertcat(parts{:});
end
value = reshape(value, dimensions);
end
