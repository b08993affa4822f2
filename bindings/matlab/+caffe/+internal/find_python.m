function python = find_python()
%FIND_PYTHON  The Python that has caffe_sdk.
%   It is the one CAFFE_PYTHON names, or the first that has caffe_sdk of: the active virtual
%   environment, the environment in which these files are installed (of a checkout, its .venv),
%   python3 and python of the PATH.
persistent found chosen
wanted = getenv('CAFFE_PYTHON');
if ~isempty(found) && strcmp(wanted, chosen)
  python = found;
  return
end
if ~isempty(wanted)
  candidates = {wanted};
else
  candidates = {in_environment(getenv('VIRTUAL_ENV')), in_environment(own_environment()), 'python3', 'python'};
  candidates = candidates(~cellfun(@isempty, candidates));
end
answers = '';
for k = 1:numel(candidates)
  python = candidates{k};
  [status, answer] = system([caffe.internal.clean_environment() caffe.internal.quote(python) ...
    ' -c "import caffe_sdk" 2>&1']);
  if status == 0
    found = python;
    chosen = wanted;
    return
  end
  lines = strsplit(strtrim(answer), char(10)); %#ok<CHARTEN>
  answers = sprintf('%s\n  %s: %s', answers, python, lines{end});
end
error('caffe:bridge', ['no Python with caffe_sdk was found; tried:%s\n' ...
  'Install it (pip install caffe-sdk), or name the Python that has it: setenv(''CAFFE_PYTHON'', ''/path/to/python'')'], answers);
end

function python = in_environment(folder)
% The Python of a virtual environment or prefix, '' if there is none.
python = '';
if ~isempty(folder)
  places = {fullfile(folder, 'bin', 'python'), fullfile(folder, 'Scripts', 'python.exe'), fullfile(folder, 'python.exe')};
  there = cellfun(@(place) exist(place, 'file') == 2, places);
  python = [places{find(there, 1)}];
end
end

function folder = own_environment()
% PREFIX, when these files are PREFIX/lib/python3.x/site-packages/caffe_sdk/matlab/+caffe/+internal,
% or .venv of the checkout, when they are CHECKOUT/bindings/matlab/+caffe/+internal.
place = fileparts(mfilename('fullpath'));
start = strfind(place, [filesep 'site-packages' filesep]);
if isempty(start)
  folder = fullfile(place, '..', '..', '..', '..', '.venv');
else
  folder = fileparts(place(1:start(end) - 1)); % PREFIX\Lib on Windows
  if ~ispc()
    folder = fileparts(folder);
  end
end
end
