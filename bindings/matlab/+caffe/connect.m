function connect(address, varargin)
%CONNECT  Let nets and solvers live on a server from now on; scripts stay as they are.
%   caffe.connect('host:port')
%   caffe.connect('host:port', 'Token', token)       shows the server who you are
%   caffe.connect('host:port', 'TLS', true)          encrypted; the server's certificate is of a known authority
%   caffe.connect('host:port', 'TLS', 'ca.pem')      encrypted; these certificates are trusted
%   caffe.connect(..., 'Certificate', 'me.pem', 'Key', 'me.key')   for a server that asks for yours
%   caffe.connect(..., 'ServerName', name)           the name in its certificate, where it is not the address
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
security = struct();
for k = 1:2:numel(varargin)
  value = varargin{k + 1};
  switch lower(varargin{k})
    case 'tls'
      security = with_authority(security, value);
    case 'token'
      caffe.internal.check(ischar(value), 'Token must be a string');
      security.token = value;
    case 'servername'
      caffe.internal.check(ischar(value), 'ServerName must be a string');
      security.server_name = value;
    case {'certificate', 'key'}
      caffe.internal.check(ischar(value), [varargin{k} ' must be the name of a file']);
      caffe.internal.check_file(value);
      security.(lower(varargin{k})) = value;
    otherwise
      error('caffe:argument', 'an option can be ''Token'', ''TLS'', ''Certificate'', ''Key'' or ''ServerName''');
  end
end
bridge = caffe.internal.connection();
cleared = caffe.internal.call('connect', address, security);
bridge.server = address;
if any(cleared)
  fprintf('Cleared %d solvers and %d stand-alone nets\n', cleared);
end
end

function security = with_authority(security, value)
% Whose certificates are trusted: those of a file, or with true those the computer trusts; false is no encryption.
if ischar(value) && ~isempty(value)
  caffe.internal.check_file(value);
  security.authority = value;
else
  caffe.internal.check(isscalar(value) && (islogical(value) || isnumeric(value)), ...
    'TLS must be true, false or a file of certificates');
  if value
    security.authority = '';
  end
end
end
