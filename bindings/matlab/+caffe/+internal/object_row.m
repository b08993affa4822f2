function row = object_row(class_name, objects)
%OBJECT_ROW  The objects of a cell array as a 1 x n array of objects.
%   Octave 7 has neither CLASS.empty nor [a b] of objects; it can let an array grow.
if ~isempty(objects)
  row = objects{1};
  for k = 2:numel(objects)
    row(k) = objects{k};
  end
elseif caffe.internal.is_octave()
  row = zeros(1, 0);
else
  row = feval([class_name '.empty'], 1, 0);
end
end
