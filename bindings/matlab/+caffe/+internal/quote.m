function word = quote(word)
%QUOTE  A word as the shell takes it literally.
if ispc()
  word = ['"' word '"'];
else
  word = ['''' strrep(word, '''', '''\''''') ''''];
end
end
