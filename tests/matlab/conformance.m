function conformance(scenarios_file, notes_file)
%CONFORMANCE  Play the scenarios of a file, and write what each step gives as JSON.
%   tests/clients/conformance.py tells what they are; left out are those that MatCaffe has no words for.
  file = jsondecode(fileread(scenarios_file));
  notes = {};
  for i = 1:numel(file.scenarios)
    scenario = one_of(file.scenarios, i);
    if ~isfield(scenario, 'needs') || isempty(scenario.needs)
      notes{end + 1} = [to_json(scenario.name) ': ' play(file.models, scenario.steps)]; %#ok<AGROW>
    end
  end
  out = fopen(notes_file, 'w');
  fprintf(out, '{%s}\n', strjoin(notes, ', '));
  fclose(out);
end

function notes = play(models, steps)
  state = struct('models', models, 'nets', containers.Map(), 'solvers', containers.Map(), 'kept', containers.Map());
  notes = cell(1, numel(steps));
  for i = 1:numel(steps)
    try
      notes{i} = play_step(state, one_of(steps, i));
    catch failed
      notes{i} = ['{"error": ' to_json(code_of(failed)) '}'];
    end
  end
  notes = ['[' strjoin(notes, ', ') ']'];
end

function note = play_step(state, step)
  note = 'null';
  switch step.verb
    case 'net'
      keep(state.nets, step.net, make_net(state, step));
    case 'solver'
      keep(state.solvers, step.solver, caffe.Solver(model_file(state, step)));
    case 'step'
      note = losses(state.solvers(step.solver), step.iterations);
    case 'solve'
      solver = state.solvers(step.solver);
      solver.solve();
    case 'state'
      solver = state.solvers(step.solver);
      note = sprintf('{"iter": %d, "max_iter": %d}', solver.iter(), solver.max_iter);
    otherwise
      note = play_on(find_net(state, step.net), state, step);
  end
end

function note = play_on(net, state, step)
  note = 'null';
  switch step.verb
    case 'describe'
      note = described(net);
    case 'get'
      note = noted(find_blob(net, step.blob), step.part);
    case 'set'
      blob = find_blob(net, step.blob);
      feval(['set_' step.part], blob, array(step.values));
    case 'reshape'
      names = fieldnames(step.shapes);
      for i = 1:numel(names)
        blob = net.blobs(names{i});
        blob.reshape(step.shapes.(names{i})(end:-1:1)');
      end
      net.reshape();
    case 'forward'
      note = forward(net, step.inputs);
    case 'backward'
      net.backward(in_order(step.diffs, net.outputs));
      note = all_noted(net, net.inputs, 'diff');
    case 'weights'
      keep(state.kept, step.weights, [tempname() '.caffemodel']);
      net.save(state.kept(step.weights));
    case 'copy_from'
      net.copy_from(state.kept(step.weights));
    otherwise
      error('conformance:step', 'no such step: %s', step.verb);
  end
end

function note = forward(net, inputs)
  if isempty(fieldnames(inputs))
    net.forward_prefilled();
  else
    net.forward(in_order(inputs, net.inputs));
  end
  note = all_noted(net, net.outputs, 'data');
end

function arrays = in_order(written, names)
  arrays = cellfun(@(name) array(written.(name)), names, 'UniformOutput', false);
end

function note = losses(solver, iterations)
  values = zeros(1, iterations);
  for i = 1:iterations
    solver.step(1);
    loss = solver.net.blobs('loss');
    values(i) = loss.get_data();
  end
  note = numbers(values);
end

function net = make_net(state, step)
  file = model_file(state, step);
  if isfield(step, 'weights')
    net = caffe.Net(file, state.kept(step.weights), step.phase);
  else
    net = caffe.Net(file, step.phase);
  end
end

function file = model_file(state, step)
  text = strjoin(cellstr(state.models.(step.model))', sprintf('\n'));
  if isfield(step, 'replace')
    text = strrep(text, step.replace{:});
  end
  file = [tempname() '.prototxt'];
  out = fopen(file, 'w');
  fwrite(out, text);
  fclose(out);
end

function keep(map, name, value)
  % Octave does not assign into a map that is a field of a struct.
  map(name) = value;
end

function net = find_net(state, name)
  if numel(name) > 4 && strcmp(name(end - 3:end), '.net')
    solver = state.solvers(name(1:end - 4));
    net = solver.net;
  else
    net = state.nets(name);
  end
end

function blob = find_blob(net, name)
  if ischar(name)
    blob = net.blobs(name);
  else
    blob = net.params(name{1}, name{2} + 1);
  end
end

function data = array(written)
  % Row-major values of a shape are column-major ones of the shape turned round.
  shape = written.shape(end:-1:1)';
  if isfield(written, 'values')
    values = written.values;
  else
    values = written.start + written.step * (0:prod(shape) - 1);
  end
  data = reshape(single(values), [shape 1 1]);
end

function note = described(net)
  layers = cellfun(@(name) sprintf('[%s, %s]', to_json(name), to_json(net.layers(name).type())), ...
                   net.layer_names, 'UniformOutput', false);
  blobs = cellfun(@(name) sprintf('[%s, %s]', to_json(name), shape_of(net.blobs(name))), ...
                  net.blob_names, 'UniformOutput', false);
  params = {};
  for i = 1:numel(net.layer_names)
    layer = net.layers(net.layer_names{i});
    if numel(layer.params) > 0
      shapes = arrayfun(@(k) shape_of(layer.params(k)), 1:numel(layer.params), 'UniformOutput', false);
      params{end + 1} = sprintf('[%s, [%s]]', to_json(net.layer_names{i}), strjoin(shapes, ', ')); %#ok<AGROW>
    end
  end
  note = sprintf('{"inputs": [%s], "outputs": [%s], "layers": [%s], "blobs": [%s], "params": [%s]}', ...
                 names(net.inputs), names(net.outputs), strjoin(layers', ', '), strjoin(blobs', ', '), ...
                 strjoin(params, ', '));
end

function note = all_noted(net, blob_names, part)
  notes = cellfun(@(name) [to_json(name) ': ' noted(net.blobs(name), part)], blob_names, 'UniformOutput', false);
  note = ['{' strjoin(notes', ', ') '}'];
end

function note = noted(blob, part)
  if strcmp(part, 'diff')
    values = blob.get_diff();
  else
    values = blob.get_data();
  end
  note = sprintf('{"shape": %s, "data": %s}', shape_of(blob), numbers(values));
end

function text = shape_of(blob)
  shape = blob.shape();
  text = ['[' strjoin(arrayfun(@(dim) sprintf('%d', dim), shape(end:-1:1), 'UniformOutput', false), ', ') ']'];
end

function text = numbers(values)
  text = ['[' strjoin(arrayfun(@(value) sprintf('%.9g', value), values(:)', 'UniformOutput', false), ', ') ']'];
end

function text = names(list)
  text = strjoin(cellfun(@to_json, list(:)', 'UniformOutput', false), ', ');
end

function text = to_json(word)
  text = ['"' word '"'];
end

function code = code_of(failed)
  word = regexprep(failed.identifier, '^caffe:', '');
  code = lower(regexprep(word, '([A-Z])', '_$1'));
end

function element = one_of(list, i)
  % jsondecode gives a cell of structs that differ, and an array of those that do not.
  if iscell(list)
    element = list{i};
  else
    element = list(i);
  end
end
