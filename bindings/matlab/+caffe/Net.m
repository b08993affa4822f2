classdef Net < handle
  %CAFFE.NET  A network: its layers, its blobs, forward and backward passes.
  %   net = caffe.Net(model_file, phase_name)
  %   net = caffe.Net(model_file, weights_file, phase_name)
  %   phase_name is 'train' or 'test'.
  %
  %   Properties, read-only: layer_vec, blob_vec, layer_names, blob_names, inputs, outputs,
  %   name2layer_index, name2blob_index. Data is single, [width height channels num].
  %
  %   Example
  %     net = caffe.Net('deploy.prototxt', 'lenet.caffemodel', 'test');
  %     scores = net.forward({image});
  %
  %   See also caffe.Solver, caffe.Blob, caffe.io.
  properties (SetAccess = private)
    layer_vec        % 1 x L caffe.Layer, inserted split layers included
    blob_vec         % 1 x B caffe.Blob
    inputs           % names of the input blobs
    outputs          % names of the output blobs
    name2layer_index % map from name to index in layer_vec
    name2blob_index  % map from name to index in blob_vec
    layer_names
    blob_names
  end
  properties (SetAccess = private, Hidden)
    handle_net        % what the bridge calls this net
  end
  properties (Access = private)
    is_ours = false   % whether to release it; a solver's nets live as long as the solver
  end
  methods
    function self = Net(varargin)
      %NET  Make a net of a prototxt file, or find it in a description from the bridge.
      if nargin == 1 && isstruct(varargin{1})
        description = varargin{1};
        caffe.internal.check(isfield(description, 'net'), 'invalid Net handle');
      else
        description = create(varargin{:});
      end
      self.handle_net = description.net;
      self.is_ours = description.owned;
      self.describe(description);
    end
    function delete(self)
      %DELETE  Let go of the net. A solver's net stays; a second delete does nothing.
      if self.is_ours
        self.is_ours = false;
        caffe.internal.release(self.handle_net);
      end
    end
    function layer = layers(self, layer_name)
      %LAYERS  The caffe.Layer of a name.
      caffe.internal.check(ischar(layer_name), 'layer_name must be a string');
      layer = self.layer_vec(self.name2layer_index(layer_name));
    end
    function blob = blobs(self, blob_name)
      %BLOBS  The caffe.Blob of a name.
      caffe.internal.check(ischar(blob_name), 'blob_name must be a string');
      blob = self.blob_vec(self.name2blob_index(blob_name));
    end
    function blob = params(self, layer_name, blob_index)
      %PARAMS  A learnable blob of a layer: 1 is usually the weights, 2 the bias.
      caffe.internal.check(ischar(layer_name), 'layer_name must be a string');
      caffe.internal.check(isscalar(blob_index), 'blob_index must be a scalar');
      layer = self.layers(layer_name);
      blob = layer.params(blob_index);
    end
    function data = preprocess(self, images)
      %PREPROCESS  Images as the first input's data, by the record beside the model.
      %   data = net.preprocess(image)            what caffe.io.load_image gives; the centre counts
      %   data = net.preprocess({image1, ...})    width x height x channels x number of images, single
      if ~iscell(images)
        images = {images};
      end
      data = caffe.internal.call('net_prepare', self.handle_net, caffe.internal.singles(images));
    end
    function forward_prefilled(self)
      %FORWARD_PREFILLED  Run forward on what is in the input blobs.
      caffe.internal.call('net_run', self.handle_net);
    end
    function backward_prefilled(self)
      %BACKWARD_PREFILLED  Run backward on the diffs that are in the output blobs.
      caffe.internal.call('net_run_back', self.handle_net);
    end
    function results = forward(self, input_data)
      %FORWARD  Set the input blobs, run, and give the data of the output blobs.
      %   results = net.forward({data1, data2, ...}), in the order of net.inputs and net.outputs
      caffe.internal.check(iscell(input_data), 'input_data must be a cell array');
      caffe.internal.check(numel(input_data) == numel(self.inputs), ...
        'input data cell length must match input blob number');
      results = caffe.internal.call('net_forward', self.handle_net, self.inputs, caffe.internal.singles(input_data));
    end
    function results = backward(self, output_diff)
      %BACKWARD  Set the diffs of the output blobs, run, and give those of the input blobs.
      %   The prototxt needs force_backward: true for the gradient to reach the inputs.
      caffe.internal.check(iscell(output_diff), 'output_diff must be a cell array');
      caffe.internal.check(numel(output_diff) == numel(self.outputs), ...
        'output diff cell length must match output blob number');
      results = caffe.internal.call('net_backward', self.handle_net, self.outputs, ...
        caffe.internal.singles(output_diff));
    end
    function copy_from(self, weights_file)
      %COPY_FROM  Load a caffemodel into the layers of the same names.
      caffe.internal.check(ischar(weights_file), 'weights_file must be a string');
      caffe.internal.check_file(weights_file);
      caffe.internal.call('net_copy_from', self.handle_net, weights_file);
    end
    function reshape(self)
      %RESHAPE  Work out all shapes anew from those of the input blobs.
      caffe.internal.call('net_reshape', self.handle_net);
    end
    function save(self, weights_file)
      %SAVE  Write the weights to a caffemodel.
      caffe.internal.check(ischar(weights_file), 'weights_file must be a string');
      caffe.internal.call('net_save', self.handle_net, weights_file);
    end
  end
  methods (Access = private)
    function describe(self, description)
      % Fill the properties from what the bridge tells about the net.
      self.layer_names = description.layer_names;
      self.blob_names = description.blob_names;
      self.inputs = description.inputs;
      self.outputs = description.outputs;
      self.name2layer_index = caffe.internal.index_map(self.layer_names);
      self.name2blob_index = caffe.internal.index_map(self.blob_names);
      layers = cell(1, numel(self.layer_names));
      for k = 1:numel(layers)
        layers{k} = caffe.Layer(self.handle_net, self.layer_names{k}, description.layer_types{k}, ...
          description.layer_params(k));
      end
      self.layer_vec = caffe.internal.object_row('caffe.Layer', layers);
      blobs = cell(1, numel(self.blob_names));
      for k = 1:numel(blobs)
        blobs{k} = caffe.Blob(self.handle_net, self.blob_names{k});
      end
      self.blob_vec = caffe.internal.object_row('caffe.Blob', blobs);
    end
  end
end

function description = create(varargin)
% A new net at the bridge.
caffe.internal.check(nargin == 2 || nargin == 3, ['usage: net = get_net(model_file, phase_name) or ' ...
  'net = get_net(model_file, weights_file, phase_name)']);
model_file = varargin{1};
phase_name = varargin{end};
weights_file = '';
caffe.internal.check(ischar(model_file), 'model_file must be a string');
caffe.internal.check(ischar(phase_name), 'phase_name must be a string');
caffe.internal.check_file(model_file);
caffe.internal.check(any(strcmp(phase_name, {'train', 'test'})), 'phase_name can only be ''train'' or ''test''');
if nargin == 3
  weights_file = varargin{2};
  caffe.internal.check(ischar(weights_file), 'weights_file must be a string');
  caffe.internal.check_file(weights_file);
end
description = caffe.internal.call('net_create', model_file, phase_name, weights_file);
end
