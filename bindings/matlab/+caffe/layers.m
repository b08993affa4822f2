classdef layers
  %CAFFE.LAYERS  Layers for nets that are written in MATLAB, with a function for every type.
  %   top = caffe.layers.Convolution(bottom, 'num_output', 20, 'kernel_size', 5)
  %   [data, label] = caffe.layers.Data('batch_size', 64, 'source', 'train_lmdb')
  %   First come the tops of other layers, then parameters as in a prototxt: numbers, rows of numbers,
  %   text (names of enums, too: 'pool', 'MAX'), structs for messages, cell arrays of them where there
  %   are several. 'in_place' true lets the layer overwrite what it takes; 'ntop' is the number of tops,
  %   by default as many as are asked for.
  %
  %   Written by tools/matlab_layers.py. A type of your own: caffe.custom_layer('MyType', bottom, ...)
  %
  %   See also caffe.NetSpec, caffe.custom_layer.
  methods (Static)
    function varargout = AbsVal(varargin)
      %ABSVAL  y = |x|.  (...) -> (...)
      varargout = caffe.internal.make_layer('AbsVal', max(1, nargout), varargin);
    end
    function varargout = Accuracy(varargin)
      %ACCURACY  The share of labels among the top_k scores.  (n, classes, ...), (n, ...) -> (), [per class
      %  (classes,)]
      varargout = caffe.internal.make_layer('Accuracy', max(1, nargout), varargin);
    end
    function varargout = ArgMax(varargin)
      %ARGMAX  Where the ``top_k`` largest values are, of each item (n, ...) -> (n, 1, top_k), or along
      %  ``axis``.
      varargout = caffe.internal.make_layer('ArgMax', max(1, nargout), varargin);
    end
    function varargout = BNLL(varargin)
      %BNLL  y = log(1 + exp(x)), the binomial normal log likelihood.  (...) -> (...)
      varargout = caffe.internal.make_layer('BNLL', max(1, nargout), varargin);
    end
    function varargout = BatchNorm(varargin)
      %BATCHNORM  y = (x - mean) / sqrt(variance + eps), of each channel.  (n, c, ...) -> (n, c, ...)
      varargout = caffe.internal.make_layer('BatchNorm', max(1, nargout), varargin);
    end
    function varargout = BatchReindex(varargin)
      %BATCHREINDEX  y[i] = x[index[i]]: rows repeated, dropped, in another order.  (n, ...), (m,) -> (m,
      %  ...)
      varargout = caffe.internal.make_layer('BatchReindex', max(1, nargout), varargin);
    end
    function varargout = Bias(varargin)
      %BIAS  y = x + bias, the bias repeated along the other axes.  (...), [bias (...)] -> (...)
      varargout = caffe.internal.make_layer('Bias', max(1, nargout), varargin);
    end
    function varargout = Clip(varargin)
      %CLIP  y = x, but at least min and at most max.  (...) -> (...)
      varargout = caffe.internal.make_layer('Clip', max(1, nargout), varargin);
    end
    function varargout = Concat(varargin)
      %CONCAT  y = the bottoms, one after the other along ``axis``.  (n, c1, ...), (n, c2, ...) -> (n, c1 +
      %  c2, ...)
      varargout = caffe.internal.make_layer('Concat', max(1, nargout), varargin);
    end
    function varargout = ContrastiveLoss(varargin)
      %CONTRASTIVELOSS  loss = sum of (d^2 where similar, else max(0, margin - d)^2) / (2 n), d = |a - b|.
      %  (n, c), (n, c), (n,) -> ()
      varargout = caffe.internal.make_layer('ContrastiveLoss', max(1, nargout), varargin);
    end
    function varargout = Convolution(varargin)
      %CONVOLUTION  y[o] = bias[o] + sum over channels c of weight[o, c] * x[c].  (n, c, h, w) -> (n,
      %  num_output, h', w')
      varargout = caffe.internal.make_layer('Convolution', max(1, nargout), varargin);
    end
    function varargout = Crop(varargin)
      %CROP  The part of the first bottom, as large as the second from ``axis`` on, that begins at
      %  ``offset``.
      varargout = caffe.internal.make_layer('Crop', max(1, nargout), varargin);
    end
    function varargout = Data(varargin)
      %DATA  Records of a LevelDB or LMDB, transformed.  () -> (batch_size, c, h, w), [labels (batch_size,
      %  ...)]
      varargout = caffe.internal.make_layer('Data', max(1, nargout), varargin);
    end
    function varargout = Deconvolution(varargin)
      %DECONVOLUTION  The transpose of a convolution: every value paints a kernel.  (n, c, h, w) -> (n,
      %  num_output, h', w')
      varargout = caffe.internal.make_layer('Deconvolution', max(1, nargout), varargin);
    end
    function varargout = Dropout(varargin)
      %DROPOUT  y = x / (1 - dropout_ratio), or 0 with that probability; in the TEST phase y = x.  (...) ->
      %  (...)
      varargout = caffe.internal.make_layer('Dropout', max(1, nargout), varargin);
    end
    function varargout = DummyData(varargin)
      %DUMMYDATA  Blobs filled by ``data_filler``, one for all tops or one each (0 if there is none).  ()
      %  -> ``shape``, ...
      varargout = caffe.internal.make_layer('DummyData', max(1, nargout), varargin);
    end
    function varargout = ELU(varargin)
      %ELU  y = x where x > 0, else alpha (exp(x) - 1).  (...) -> (...)
      varargout = caffe.internal.make_layer('ELU', max(1, nargout), varargin);
    end
    function varargout = Eltwise(varargin)
      %ELTWISE  y = the product, the sum weighted by ``coeff``, or the maximum of the bottoms.  (...),
      %  (...), ... -> (...)
      varargout = caffe.internal.make_layer('Eltwise', max(1, nargout), varargin);
    end
    function varargout = Embed(varargin)
      %EMBED  y = weight[x] + bias: whole numbers to learned vectors.  (...) of 0 to input_dim - 1 -> (...,
      %  num_output)
      varargout = caffe.internal.make_layer('Embed', max(1, nargout), varargin);
    end
    function varargout = EuclideanLoss(varargin)
      %EUCLIDEANLOSS  loss = sum of (a - b)^2 / (2 n). Both bottoms have gradients.  (n, ...), (n, ...) ->
      %  ()
      varargout = caffe.internal.make_layer('EuclideanLoss', max(1, nargout), varargin);
    end
    function varargout = Exp(varargin)
      %EXP  y = base^(shift + scale x); base -1 stands for e.  (...) -> (...)
      varargout = caffe.internal.make_layer('Exp', max(1, nargout), varargin);
    end
    function varargout = Filter(varargin)
      %FILTER  The rows whose selector, the last bottom, is not 0.  (n, ...), ..., (n,) -> (m, ...), ...
      varargout = caffe.internal.make_layer('Filter', max(1, nargout), varargin);
    end
    function varargout = Flatten(varargin)
      %FLATTEN  Axes ``axis`` to ``end_axis`` become one.  (n, c, h, w) -> (n, c h w)
      varargout = caffe.internal.make_layer('Flatten', max(1, nargout), varargin);
    end
    function varargout = HDF5Data(varargin)
      %HDF5DATA  Rows of the datasets the tops are named after.  () -> (batch_size, ...), ...
      varargout = caffe.internal.make_layer('HDF5Data', max(1, nargout), varargin);
    end
    function varargout = HDF5Output(varargin)
      %HDF5OUTPUT  Writes its bottoms to the datasets ``data`` and ``label`` of ``file_name``.  (n, ...),
      %  (n, ...) ->
      varargout = caffe.internal.make_layer('HDF5Output', max(1, nargout), varargin);
    end
    function varargout = HingeLoss(varargin)
      %HINGELOSS  loss = sum of max(0, 1 - s x) / n, s being 1 at the label and -1 elsewhere.  (n,
      %  classes), (n,) -> ()
      varargout = caffe.internal.make_layer('HingeLoss', max(1, nargout), varargin);
    end
    function varargout = Im2col(varargin)
      %IM2COL  Every window as a column, channels and places of the kernel together.  (n, c, h, w) -> (n, c
      %  kh kw, h', w')
      varargout = caffe.internal.make_layer('Im2col', max(1, nargout), varargin);
    end
    function varargout = ImageData(varargin)
      %IMAGEDATA  Images that a text file lists, transformed.  () -> (batch_size, c, h, w), labels
      %  (batch_size, ...)
      varargout = caffe.internal.make_layer('ImageData', max(1, nargout), varargin);
    end
    function varargout = InfogainLoss(varargin)
      %INFOGAINLOSS  loss = - sum over classes of H[label, class] log softmax(x)[class] / normalizer.
      varargout = caffe.internal.make_layer('InfogainLoss', max(1, nargout), varargin);
    end
    function varargout = InnerProduct(varargin)
      %INNERPRODUCT  y = x weight^T + bias.  (m..., k...) -> (m..., num_output)
      varargout = caffe.internal.make_layer('InnerProduct', max(1, nargout), varargin);
    end
    function varargout = Input(varargin)
      %INPUT  Blobs that whoever runs the net fills.  () -> ``shape``, one for all tops or one each
      varargout = caffe.internal.make_layer('Input', max(1, nargout), varargin);
    end
    function varargout = LRN(varargin)
      %LRN  y = x / (k + alpha / n * sum of x^2 over a neighbourhood)^beta.  (n, c, h, w) -> (n, c, h, w)
      varargout = caffe.internal.make_layer('LRN', max(1, nargout), varargin);
    end
    function varargout = LSTM(varargin)
      %LSTM  Long short-term memory.  x (T, N, ...), cont (T, N), [static (N, ...)], [h, c (1, N, D)] -> h
      %  (T, N, D), [h, c]
      varargout = caffe.internal.make_layer('LSTM', max(1, nargout), varargin);
    end
    function varargout = LSTMUnit(varargin)
      %LSTMUNIT  One step of an LSTM.  c (1, n, d), x (1, n, 4 d), cont (1, n) -> c (1, n, d), h (1, n, d)
      varargout = caffe.internal.make_layer('LSTMUnit', max(1, nargout), varargin);
    end
    function varargout = Log(varargin)
      %LOG  y = log_base(shift + scale x); base -1 stands for e.  (...) -> (...)
      varargout = caffe.internal.make_layer('Log', max(1, nargout), varargin);
    end
    function varargout = MVN(varargin)
      %MVN  y = (x - mean) / (deviation + eps), of each channel of each image.  (n, c, ...) -> (n, c, ...)
      varargout = caffe.internal.make_layer('MVN', max(1, nargout), varargin);
    end
    function varargout = MemoryData(varargin)
      %MEMORYDATA  Batches of arrays given to `reset`, one after the other.  () -> (n, c, h, w), labels
      %  (n,), later (n, 1, 1, 1)
      varargout = caffe.internal.make_layer('MemoryData', max(1, nargout), varargin);
    end
    function varargout = MultinomialLogisticLoss(varargin)
      %MULTINOMIALLOGISTICLOSS  loss = - sum of log prob[label] / n.  (n, classes), (n,) -> ()
      varargout = caffe.internal.make_layer('MultinomialLogisticLoss', max(1, nargout), varargin);
    end
    function varargout = PReLU(varargin)
      %PRELU  y = x where x > 0, else slope[c] x, the slope being learned.  (n, c, ...) -> (n, c, ...)
      varargout = caffe.internal.make_layer('PReLU', max(1, nargout), varargin);
    end
    function varargout = Parameter(varargin)
      %PARAMETER  A blob that is learned.  () -> ``shape``
      varargout = caffe.internal.make_layer('Parameter', max(1, nargout), varargin);
    end
    function varargout = Pooling(varargin)
      %POOLING  y = the maximum (MAX) or average (AVE) of each window.  (n, c, h, w) -> (n, c, h', w')
      varargout = caffe.internal.make_layer('Pooling', max(1, nargout), varargin);
    end
    function varargout = Power(varargin)
      %POWER  y = (shift + scale x)^power.  (...) -> (...)
      varargout = caffe.internal.make_layer('Power', max(1, nargout), varargin);
    end
    function varargout = Python(varargin)
      %PYTHON  Whatever the class ``layer`` of ``module`` computes.  any -> any
      varargout = caffe.internal.make_layer('Python', max(1, nargout), varargin);
    end
    function varargout = RNN(varargin)
      %RNN  Plain recurrence.  x (T, N, ...), cont (T, N), [static (N, ...)], [h (1, N, D)] -> y (T, N, D),
      %  [h]
      varargout = caffe.internal.make_layer('RNN', max(1, nargout), varargin);
    end
    function varargout = ReLU(varargin)
      %RELU  y = x where x > 0, else negative_slope x.  (...) -> (...)
      varargout = caffe.internal.make_layer('ReLU', max(1, nargout), varargin);
    end
    function varargout = Reduction(varargin)
      %REDUCTION  y = coeff * the sum, the sum of magnitudes or of squares, or the mean over ``axis`` and
      %  all behind it.
      varargout = caffe.internal.make_layer('Reduction', max(1, nargout), varargin);
    end
    function varargout = Reshape(varargin)
      %RESHAPE  Axes from ``axis`` on, ``num_axes`` of them, become ``shape``: 0 keeps a size, -1 is what
      %  is left.
      varargout = caffe.internal.make_layer('Reshape', max(1, nargout), varargin);
    end
    function varargout = SPP(varargin)
      %SPP  Spatial pyramid pooling: level i pools the plane into 2^i by 2^i windows, whatever its size
      %  (He, 2014).
      varargout = caffe.internal.make_layer('SPP', max(1, nargout), varargin);
    end
    function varargout = Scale(varargin)
      %SCALE  y = scale x + bias, the coefficients repeated along the other axes.  (...), [scale (...)] ->
      %  (...)
      varargout = caffe.internal.make_layer('Scale', max(1, nargout), varargin);
    end
    function varargout = Sigmoid(varargin)
      %SIGMOID  y = 1 / (1 + exp(-x)).  (...) -> (...)
      varargout = caffe.internal.make_layer('Sigmoid', max(1, nargout), varargin);
    end
    function varargout = SigmoidCrossEntropyLoss(varargin)
      %SIGMOIDCROSSENTROPYLOSS  loss = - sum of (target log p + (1 - target) log(1 - p)) / normalizer, p =
      %  sigmoid(x).  (n, ...) twice -> ()
      varargout = caffe.internal.make_layer('SigmoidCrossEntropyLoss', max(1, nargout), varargin);
    end
    function varargout = Silence(varargin)
      %SILENCE  Takes blobs so that they are no outputs of the net; their gradients are 0.  (...), ... ->
      varargout = caffe.internal.make_layer('Silence', max(1, nargout), varargin);
    end
    function varargout = Slice(varargin)
      %SLICE  The bottom cut along ``axis``, at each ``slice_point`` or into equal parts.  (n, c, ...) ->
      %  (n, c1, ...), ...
      varargout = caffe.internal.make_layer('Slice', max(1, nargout), varargin);
    end
    function varargout = Softmax(varargin)
      %SOFTMAX  y = exp(x) / sum over ``axis`` of exp(x).  (..., classes, ...) -> (..., classes, ...)
      varargout = caffe.internal.make_layer('Softmax', max(1, nargout), varargin);
    end
    function varargout = SoftmaxWithLoss(varargin)
      %SOFTMAXWITHLOSS  loss = - sum of log softmax(x)[label] / normalizer.  (n, classes, ...), (n, ...) ->
      %  (), [prob like x]
      varargout = caffe.internal.make_layer('SoftmaxWithLoss', max(1, nargout), varargin);
    end
    function varargout = Split(varargin)
      %SPLIT  Every top is the bottom itself, with a gradient of its own; the gradients add up.  (...) ->
      %  (...), (...), ...
      varargout = caffe.internal.make_layer('Split', max(1, nargout), varargin);
    end
    function varargout = Swish(varargin)
      %SWISH  y = x / (1 + exp(-beta x)).  (...) -> (...)
      varargout = caffe.internal.make_layer('Swish', max(1, nargout), varargin);
    end
    function varargout = TanH(varargin)
      %TANH  y = tanh x.  (...) -> (...)
      varargout = caffe.internal.make_layer('TanH', max(1, nargout), varargin);
    end
    function varargout = Threshold(varargin)
      %THRESHOLD  y = 1 where x > threshold, else 0. It has no gradient.  (...) -> (...)
      varargout = caffe.internal.make_layer('Threshold', max(1, nargout), varargin);
    end
    function varargout = Tile(varargin)
      %TILE  The bottom repeated ``tiles`` times along ``axis``.  (n, c, ...) -> (n, tiles c, ...)
      varargout = caffe.internal.make_layer('Tile', max(1, nargout), varargin);
    end
    function varargout = WindowData(varargin)
      %WINDOWDATA  Windows of images for R-CNN, drawn at random.  () -> (batch_size, c, crop, crop), labels
      %  (batch_size,)
      varargout = caffe.internal.make_layer('WindowData', max(1, nargout), varargin);
    end
  end
end
