function tops = make_layer(type, count, arguments_given)
%MAKE_LAYER  A layer in the making: its tops in a cell array, or itself if it has none.
%   arguments_given are the tops it takes, then pairs of a parameter's name and its value
inputs = {};
while numel(inputs) < numel(arguments_given) && isa(arguments_given{numel(inputs) + 1}, 'caffe.internal.Top')
  inputs = arguments_given(1:numel(inputs) + 1);
end
pairs = cellfun(@caffe.internal.text, arguments_given(numel(inputs) + 1:end), 'UniformOutput', false);
caffe.internal.check(mod(numel(pairs), 2) == 0 && iscellstr(pairs(1:2:end)), ...
  sprintf('%s takes tops of other layers first, then pairs of a parameter''s name and its value', type));
named = strcmp(pairs(1:2:end), 'ntop');
if any(named)
  count = pairs{2 * find(named, 1)};
else
  pairs = [pairs {'ntop', count}];
end
making = caffe.internal.SpecLayer(type, inputs, pairs);
tops = cell(1, max(1, count));
tops{1} = making;
for k = 1:count
  tops{k} = caffe.internal.Top(making, k);
end
end
