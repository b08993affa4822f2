function names = label_names(labels)
%LABEL_NAMES  Names of classes as an n x 1 cellstr: given so, or from a file with a line for each.
%   WordNet's identifiers in front of names (n02119789 kit fox) are left out.
if ischar(labels)
  caffe.internal.check_file(labels);
  lines = strtrim(strsplit(strtrim(fileread(labels)), char(10))); %#ok<CHARTEN>
  labels = regexprep(lines, '^n\d{8}\s+', '');
end
caffe.internal.check(iscellstr(labels), 'Labels must be names in a cell array, or a file with a line for each');
names = labels(:);
end
