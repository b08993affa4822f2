classdef TcpLink < handle
  %TCPLINK  A bridge on a socket of this computer (MATLAB, or Octave with instrument-control).
  properties % not private: at its exit Octave destroys objects where private ones are out of reach
    socket
    pid
    silence
  end
  methods
    function self = TcpLink(python, folder)
      %TCPLINK  Start a bridge and connect to it.
      if caffe.internal.is_octave()
        pkg('load', 'instrument-control');
      end
      self.silence = caffe.internal.silence();
      self.start(python, folder);
      ready = self.wait_for_ready(folder);
      self.pid = str2double(ready{3});
      self.socket = tcpclient('127.0.0.1', str2double(ready{1}), 'Timeout', 1);
      self.write(caffe.internal.frame('H', 0, uint8(ready{2}), 0));
    end
    function write(self, bytes)
      write(self.socket, bytes);
    end
    function bytes = read(self, count)
      %READ  So many bytes, as a row.
      since = tic();
      bytes = self.read_some(count);
      while numel(bytes) < count
        if toc(since) > self.silence
          error('caffe:bridge', 'it was silent for %g seconds', self.silence);
        end
        fresh = self.read_some(count - numel(bytes));
        if ~isempty(fresh)
          bytes = [bytes fresh]; %#ok<AGROW>
          since = tic();
        end
      end
    end
    function close(self)
      self.socket = [];
    end
    function kill(self)
      %KILL  End a process that does not answer.
      self.socket = [];
      if ~isempty(self.pid) && isunix()
        system(sprintf('kill -9 %d 2>/dev/null', self.pid));
      elseif ~isempty(self.pid)
        system(sprintf('taskkill /F /PID %d >NUL 2>&1', self.pid));
      end
    end
  end
  methods (Access = private)
    function bytes = read_some(self, count)
      % At most so many bytes; fewer after a second without them.
      if caffe.internal.is_octave()
        bytes = uint8(read(self.socket, count));
      else
        since = tic();
        while self.socket.NumBytesAvailable < count && toc(since) < 1
          pause(0.0002);
        end
        count = min(count, self.socket.NumBytesAvailable);
        bytes = zeros(1, 0, 'uint8');
        if count > 0
          bytes = uint8(read(self.socket, count));
        end
      end
      bytes = bytes(:).';
    end
    function start(self, python, folder)
      quote = @caffe.internal.quote;
      command = sprintf('%s%s -m caffe_sdk.bridge --dir %s >%s 2>&1', caffe.internal.clean_environment(), ...
        quote(python), quote(folder), quote(fullfile(folder, 'log')));
      if ispc()
        mkdir(folder);
        system(['start "" /b cmd /c "' command '"']);
        return
      end
      [status, answer] = system(sprintf('mkdir -m 700 %s && { %s </dev/null & echo $!; }', quote(folder), command));
      self.pid = str2double(answer);
      if status ~= 0
        self.pid = [];
        error('caffe:bridge', '%s', strtrim(answer));
      end
    end
    function words = wait_for_ready(self, folder)
      % Port, token and process id, which the process writes when it listens.
      file = fullfile(folder, 'ready');
      since = tic();
      looks = 0;
      while exist(file, 'file') ~= 2
        pause(0.005);
        looks = looks + 1;
        if toc(since) > self.silence
          error('caffe:bridge', 'it did not start within %g seconds', self.silence);
        elseif mod(looks, 40) == 0 && isunix() && system(sprintf('kill -0 %d 2>/dev/null', self.pid)) ~= 0
          error('caffe:bridge', 'it ended when it started');
        end
      end
      words = strsplit(strtrim(fileread(file)), ' ');
      delete(file);
    end
  end
end
