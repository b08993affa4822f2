classdef NetSpec < handle
  %CAFFE.NETSPEC  A net written in MATLAB.
  %   n = caffe.NetSpec();
  %   [n.data, n.label] = caffe.layers.Data('source', 'train_lmdb', 'backend', 'LMDB', 'batch_size', 64);
  %   n.conv1 = caffe.layers.Convolution(n.data, 'num_output', 20, 'kernel_size', 5, ...
  %     'weight_filler', struct('type', 'xavier'));
  %   n.relu1 = caffe.layers.ReLU(n.conv1, 'in_place', true);
  %   n.ip1 = caffe.layers.InnerProduct(n.relu1, 'num_output', 10);
  %   n.loss = caffe.layers.SoftmaxWithLoss(n.ip1, n.label);
  %
  %   n.to_proto()      the prototxt, the same that NetSpec of Python writes
  %   n.save(file)      write it to a file
  %   n.net(phase)      a caffe.Net of it, in phase 'test' or 'train'
  %   n.names()         what was assigned, in order
  %   A layer is called after its first top, a top after what it was assigned to; n.('fire2/expand') is
  %   a name that MATLAB would not take otherwise.
  %
  %   See also caffe.layers, caffe.custom_layer, caffe.train, caffe.Net.
  properties (Access = private)
    assigned % names
    values   % what was assigned to them: caffe.internal.Top, or SpecLayer for layers without tops
  end
  methods
    function self = NetSpec()
      self.assigned = cell(0, 1);
      self.values = cell(0, 1);
    end
    function self = subsasgn(self, where, value)
      %SUBSASGN  n.name = top
      caffe.internal.check(numel(where) == 1 && strcmp(where.type, '.'), 'assign tops by name: n.conv1 = ...');
      caffe.internal.check(isa(value, 'caffe.internal.Top') || isa(value, 'caffe.internal.SpecLayer'), ...
        sprintf('%s must be what caffe.layers gives, it is a %s', where.subs, class(value)));
      place = find(strcmp(self.assigned, where.subs));
      if isempty(place)
        place = numel(self.assigned) + 1;
      end
      self.assigned{place, 1} = where.subs;
      self.values{place, 1} = value;
    end
    function varargout = subsref(self, where)
      %SUBSREF  n.name, n.to_proto(), n.save(file), n.net(phase), n.names()
      caffe.internal.check(strcmp(where(1).type, '.'), 'get tops by name: n.conv1');
      given = {};
      if numel(where) > 1 && strcmp(where(2).type, '()')
        given = where(2).subs;
      end
      place = find(strcmp(self.assigned, where(1).subs));
      if ~isempty(place)
        varargout{1} = self.values{place};
        return
      end
      switch where(1).subs
        case 'to_proto'
          varargout{1} = to_proto(self);
        case 'names'
          varargout{1} = self.assigned;
        case 'net'
          varargout{1} = net(self, given{:});
        case 'save'
          save(self, given{:});
        otherwise
          error('caffe:argument', 'there is no top ''%s''; there are %s', where(1).subs, strjoin(self.assigned.', ', '));
      end
    end
    function text = to_proto(self)
      %TO_PROTO  The prototxt.
      layers = self.needed();
      numbers = cellfun(@(each) each.number, layers);
      told = cell(numel(layers), 1);
      for k = 1:numel(layers)
        inputs = zeros(numel(layers{k}.inputs), 2);
        for j = 1:numel(layers{k}.inputs)
          top = layers{k}.inputs{j};
          inputs(j, :) = [find(numbers == top.layer.number) - 1, top.index - 1];
        end
        told{k} = struct('type', layers{k}.type, 'inputs', inputs, 'params', {parameters(layers{k}.pairs)});
      end
      tops = cell(numel(self.values), 1);
      for k = 1:numel(tops)
        [layer, index] = place_of(self.values{k});
        tops{k} = struct('name', self.assigned{k}, 'layer', find(numbers == layer.number) - 1, 'top', index - 1);
      end
      text = caffe.internal.call('spec_proto', told, tops);
    end
    function save(self, file)
      %SAVE  Write the prototxt to a file.
      text = caffe.internal.to_utf8(to_proto(self));
      [handle, problem] = fopen(file, 'w');
      caffe.internal.check(handle >= 0, sprintf('%s cannot be written: %s', file, problem));
      fwrite(handle, text);
      fclose(handle);
    end
    function made = net(self, phase)
      %NET  A caffe.Net of it.
      if nargin < 2
        phase = 'test';
      end
      made = caffe.Net(caffe.internal.call('spec_net', to_proto(self), phase));
    end
    function disp(self)
      %DISP  What was assigned.
      fprintf('  caffe.NetSpec: %s\n', strjoin(self.assigned.', ', '));
    end
  end
  methods (Access = private)
    function layers = needed(self)
      % The layers of all tops that were assigned and of all they are made from, in the order they were made.
      waiting = self.values;
      numbers = zeros(1, 0);
      layers = {};
      while ~isempty(waiting)
        layer = place_of(waiting{end});
        waiting(end) = [];
        if ~any(numbers == layer.number)
          numbers(end + 1) = layer.number; %#ok<AGROW>
          layers{end + 1} = layer; %#ok<AGROW>
          waiting = [waiting; layer.inputs(:)]; %#ok<AGROW>
        end
      end
      [~, order] = sort(numbers);
      layers = layers(order);
    end
  end
end

function [layer, index] = place_of(value)
% The layer of what was assigned, and which of its tops it is, 0 for the layer itself.
layer = value;
index = 0;
if isa(value, 'caffe.internal.Top')
  layer = value.layer;
  index = value.index;
end
end

function told = parameters(pairs)
% Pairs as the bridge takes them: {name; value}, cell arrays for arrays of structs.
told = cell(numel(pairs) / 2, 1);
for k = 1:numel(told)
  told{k} = {pairs{2 * k - 1}; plain(pairs{2 * k})};
end
end

function value = plain(value)
if isstruct(value) && ~isscalar(value)
  value = num2cell(value(:));
end
if iscell(value)
  value = cellfun(@plain, value(:), 'UniformOutput', false);
elseif isstruct(value)
  names = fieldnames(value);
  for k = 1:numel(names)
    value.(names{k}) = plain(value.(names{k}));
  end
elseif isa(value, 'function_handle')
  error('caffe:argument', 'a parameter is a function: give numbers, text or a struct');
end
end
