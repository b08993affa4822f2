function map = index_map(names)
%INDEX_MAP  Map from each name to its place in a cellstr, counted from 1.
map = containers.Map('KeyType', 'char', 'ValueType', 'double');
for k = 1:numel(names)
  map(names{k}) = k;
end
end
