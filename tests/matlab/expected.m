function values = expected()
%EXPECTED  The variables that toolbox.py has prepared.
values = load(fullfile(getenv('CAFFE_TEST_FILES'), 'expected.mat'));
end
