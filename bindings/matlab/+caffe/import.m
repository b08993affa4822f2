function net = import(protofile, datafile, varargin)
%CAFFE.IMPORT  A trained Caffe net, ready for images as MATLAB has them.
%   net = caffe.import(protofile, datafile)
%   net = caffe.import(protofile, datafile, Name, Value, ...)
%   protofile is a deploy prototxt, datafile a caffemodel. The result is a caffe.Net: everything
%   MatCaffe does with one works, and so do caffe.classify, caffe.predict, caffe.activations,
%   caffe.detect and caffe.embed, which take images H x W x C, RGB, from 0 to 255.
%
%   How images become the net's input is what the record beside the model says (caffe record
%   writes it). Without a record, or with one of the first four options, it is:
%     'AverageImage'  what is subtracted: H x W x 3 or 3 numbers, in RGB; or a file (.binaryproto,
%                     .npy) as Caffe has it                                       default: nothing
%     'ResizeTo'      [height width] before the middle is cut out     default: the size of the input
%     'Scale'         what pixels are multiplied with after that                     default: 1
%     'Channels'      the net's order: 'BGR', 'RGB' or 'GRAY'                        default: 'BGR'
%     'InputSize'     [height width] of the input, if not the prototxt's
%     'Labels'        names of the classes: a cell array, or a file with a line for each
%
%   Example
%     net = caffe.import('deploy.prototxt', 'net.caffemodel', 'AverageImage', [123 117 104], ...
%       'Labels', 'synset_words.txt');
%     label = caffe.classify(net, 'cat.jpg')
%
%   See also caffe.classify, caffe.Net, caffe.train.
if nargin < 2
  datafile = '';
end
protofile = caffe.internal.text(protofile);
datafile = caffe.internal.text(datafile);
options = struct('AverageImage', [], 'ResizeTo', [], 'Scale', [], 'Channels', '', 'InputSize', [], 'Labels', []);
options = caffe.internal.options(options, varargin);
caffe.internal.check(ischar(protofile) && ischar(datafile), 'protofile and datafile must be names of files');
caffe.internal.check_file(protofile);
if ~isempty(datafile)
  caffe.internal.check_file(datafile);
end
told = caffe.internal.given(rmfield(options, 'Labels'));
if ~isempty(options.Labels)
  told.Classes = caffe.internal.label_names(options.Labels);
end
net = caffe.Net(caffe.internal.call('import_net', protofile, datafile, told));
end
