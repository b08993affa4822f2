function connect(address, varargin)
%CONNECT  Let nets and solvers live on a server from now on; scripts stay as they are.
%   caffe.connect('host:port')
%   caffe.connect('host:port', 'Token', token)       shows the server who you are
%   caffe.connect('host:port', 'TLS', true)          encrypted; the server's certificate is of a known authority
%   caffe.connect('host:port', 'TLS', 'ca.pem')      encrypted; these certificates are trusted
%   caffe.connect()                                  back to the process of this computer
%   Nets and solvers made before are cleared, as by caffe.reset_all.
%
%   Models and weights are read here and sent. What a solver reads and writes (databases, snapshots) is on the
%   server. 'caffe serve' starts one.
%
%   Example
%     caffe.connect('gpu-server:50051', 'Token', getenv('CAFFE_TOKEN'), 'TLS', true);
%     net = caffe.Net('deploy.prototxt', 'lenet.caffemodel', 'test');
%
%   See also caffe.reset_all, caffe.Net.
if nargin < 1
  address = '';
end
caffe.internal.check(ischar(address), 'address must be a string, such as ''host:port''');
caffe.internal.check(mod(numel(varargin), 2) == 0, 'options come in pairs: ''Token'', token, ''TLS'', true');
token = '';
certificates = [];
for k = 1:2:numel(varargin)
  value = varargin{k + 1};
  if strcmpi(varargin{k}, 'Token')
    caffe.internal.check(ischar(value), 'Token must be a string');
    token = value;
  elseif strcmpi(varargin{k}, 'TLS')
    certificates = trusted(value);
  else
    error('caffe:argument', 'an option can be ''Token'' or ''TLS''');
  end
end
bridge = caffe.internal.connection();
cleared = caffe.internal.call('connect', address, token, certificates);
bridge.server = address;
if any(cleared)
  fprintf('Cleared %d solvers and %d stand-alone nets\n', cleared);
end
end

function certificates = trusted(value)
% [] for a connection without encryption, '' for certificates of known authorities, else a file of certificates.
if ischar(value) && ~isempty(value)
  caffe.internal.check_file(value);
  certificates = value;
else
  caffe.internal.check(isscalar(value) && (islogical(value) || isnumeric(value)), ...
    'TLS must be true, false or a file of certificates');
  certificates = [];
  if value
    certificates = '';
  end
end
end
