classdef PipeLink < handle
  %PIPELINK  A bridge on a pair of pipes (Octave only).
  properties % not private: at its exit Octave destroys objects where private ones are out of reach
    in       % to the process
    out      % from it, not blocking
    pid
    silence
  end
  methods
    function self = PipeLink(python, folder)
      %PIPELINK  Start a bridge.
      quote = @caffe.internal.quote;
      script = sprintf('mkdir -m 700 %s && exec %s -m caffe_sdk.bridge --pipe --dir %s 2>%s', ...
        quote(folder), quote(python), quote(folder), quote(fullfile(folder, 'log')));
      [self.in, self.out, self.pid] = popen2('/bin/sh', {'-c', script});
      self.silence = caffe.internal.silence();
    end
    function write(self, bytes)
      fwrite(self.in, bytes, 'uint8');
      fflush(self.in);
    end
    function bytes = read(self, count)
      %READ  So many bytes, as a row.
      bytes = fread(self.out, [1 count], 'uint8=>uint8');
      if numel(bytes) < count
        bytes = self.read_on(bytes, count);
      end
    end
    function close(self)
      %CLOSE  Hang up and wait until the process has cleaned up and ended.
      self.hang_up();
      since = tic();
      while self.runs() && toc(since) < 10
        pause(0.005);
      end
    end
    function kill(self)
      %KILL  End a process that does not answer.
      self.hang_up();
      if self.runs()
        kill(self.pid, 9);
        waitpid(self.pid);
      end
    end
    function hang_up(self)
      %HANG_UP  Close both pipes.
      if ~isempty(self.in)
        fclose(self.in);
        fclose(self.out);
        self.in = [];
      end
    end
    function answer = runs(self)
      %RUNS  Whether the process runs. When it ended, this lets it go.
      answer = waitpid(self.pid, WNOHANG()) == 0;
    end
  end
  methods (Access = private)
    function bytes = read_on(self, bytes, count)
      % What is there comes at once; look again, the longer the less often.
      looks = 0;
      since = tic();
      while numel(bytes) < count
        fclear(self.out);
        fresh = fread(self.out, [1, count - numel(bytes)], 'uint8=>uint8');
        if ~isempty(fresh)
          bytes = [bytes fresh]; %#ok<AGROW>
          looks = 0;
          since = tic();
          continue
        end
        looks = looks + 1;
        if looks > 10
          pause(min(0.002, 1e-5 * looks));
        end
        if mod(looks, 50) == 0
          if ~self.runs()
            error('caffe:bridge', 'it ended');
          elseif toc(since) > self.silence
            error('caffe:bridge', 'it was silent for %g seconds', self.silence);
          end
        end
      end
    end
  end
end
