function values = options(defaults, pairs)
%OPTIONS  Name-value pairs put into a struct of defaults; names in any case.
%   values = options(defaults, pairs)   pairs is varargin; a name that defaults lacks is an error
values = defaults;
names = fieldnames(defaults);
pairs = cellfun(@caffe.internal.text, pairs, 'UniformOutput', false);
caffe.internal.check(mod(numel(pairs), 2) == 0, 'options are pairs of a name and a value');
for k = 1:2:numel(pairs)
  found = [];
  if ischar(pairs{k})
    found = find(strcmpi(pairs{k}, names));
  end
  if isempty(found)
    given = pairs{k};
    if ~ischar(given)
      given = class(given);
    end
    error('caffe:argument', '''%s'' is no option; use one of %s', given, strjoin(names.', ', '));
  end
  values.(names{found}) = pairs{k + 1};
end
end
