function words = last_words(file)
%LAST_WORDS  The end of a log file as '; its last words: ...', or nothing.
words = '';
if exist(file, 'file') == 2
  log = strtrim(fileread(file));
  if ~isempty(log)
    words = ['; its last words: ' log(max(1, end - 1000):end)];
  end
end
end
