function save_figure(handle, file)
%SAVE_FIGURE  Write a figure as a picture; the name's ending says which kind.
[~, ~, ending] = fileparts(file);
kinds = {'.png', '-dpng'; '.pdf', '-dpdf'; '.svg', '-dsvg'; '.jpg', '-djpeg'; '.eps', '-depsc'};
kind = kinds(strcmpi(ending, kinds(:, 1)), 2);
caffe.internal.check(~isempty(kind), ['''' file ''' is no kind of picture; use ' strjoin(kinds(:, 1).', ', ')]);
print(handle, file, kind{1}, '-r100');
end
