%CONTENTS  Caffe in MATLAB and Octave, with nothing to compile.
%
% Nets
%   caffe.Net              - A network: its layers, its blobs, forward and backward passes
%   caffe.Blob             - An array of a network: data, and the gradient diff
%   caffe.Layer            - A layer of a network: its type and its learnable blobs
%   caffe.get_net          - Make a net of a prototxt file
%
% Training
%   caffe.Solver           - Trains a network as a solver prototxt says
%   caffe.get_solver       - Make a solver of a solver prototxt file
%
% Images
%   caffe.io               - Images and mean images
%
% Where to compute
%   caffe.set_mode_cpu     - Compute on the processor
%   caffe.set_mode_gpu     - Compute on the graphics card
%   caffe.set_device       - Choose the graphics card, counted from 0
%   caffe.connect          - Let nets and solvers live on a server from now on; scripts stay as they are
%
% The process behind it
%   caffe.reset_all        - Clear all solvers and nets; objects made before can no longer be used
%   caffe.version          - The version of Caffe that computes
%   caffe.run_tests        - Run the tests of +caffe/+test: nets, solvers, files. It clears all nets and solvers
%
% Beyond MatCaffe
%   caffe.NetSpec          - A net written in MATLAB
%   caffe.activations      - What a layer of a net puts out for images
%   caffe.classify         - What a net sees in images
%   caffe.custom_layer     - A layer of a type that Caffe does not come with, for nets written in MATLAB
%   caffe.detect           - What a net sees in windows of an image
%   caffe.digits           - Handwritten digits to try things out with
%   caffe.embed            - A map of images, or of any features: what a layer finds alike lies together
%   caffe.import           - A trained Caffe net, ready for images as MATLAB has them
%   caffe.imresize         - Resize an image with MATLAB's numbers, in Octave too
%   caffe.layers           - Layers for nets that are written in MATLAB, with a function for every type
%   caffe.load_mat         - The net of a .mat file that caffe.save_mat wrote
%   caffe.plot_confusion   - Which classes are taken for which
%   caffe.plot_filters     - The filters of a convolution as a picture
%   caffe.plot_log         - Curves of a training: loss, scores and learning rate
%   caffe.plot_map         - Points of caffe.embed as a picture, a colour for each label
%   caffe.predict          - What a net puts out for images
%   caffe.save_mat         - Write a net to a .mat file: description, weights, preprocessing and classes
%   caffe.train            - Train a net, on arrays or as a solver prototxt says
%   caffe.trainingOptions  - How caffe.train trains, under MATLAB's names
%
% See also caffe.Net, caffe.Solver.
