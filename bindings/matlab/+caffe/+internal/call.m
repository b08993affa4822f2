function value = call(command, varargin)
%CALL  Ask the bridge for something and wait for the answer.
bridge = caffe.internal.connection();
bridge.follow_folder();
value = bridge.request(command, varargin);
end
