function solver = get_solver(varargin)
%GET_SOLVER  Make a solver of a solver prototxt file.
%   solver = caffe.get_solver(solver_file)
%
%   See also caffe.Solver.
solver = caffe.Solver(varargin{:});
end
