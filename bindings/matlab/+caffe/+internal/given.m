function pairs = given(values)
%GIVEN  A struct of options without the fields that are empty: what the bridge is to be told.
pairs = struct();
names = fieldnames(values);
for k = 1:numel(names)
  if ~isempty(values.(names{k}))
    pairs.(names{k}) = values.(names{k});
  end
end
end
