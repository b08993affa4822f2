classdef Bridge < handle
  %BRIDGE  The Caffe process of this MATLAB or Octave, and the talk with it.
  %   caffe_sdk/bridge/frames.py describes what is said.
  properties % not private: at its exit Octave destroys objects where private ones are out of reach
    link                % PipeLink or TcpLink, [] when the process is lost
    folder              % where large arrays change hands
    answers             % the file there in which they come
    current_folder = '' % the process's, from which relative paths count
    sequence = 0        % number of the last request
    waiting = 0         % number of the request that is not answered yet, 0 if none
    server = ''         % where nets live by caffe.connect, '' for the process itself
    obituary = ''       % why the process was lost
  end
  methods
    function self = Bridge()
      %BRIDGE  Start the process and wait until it answers.
      caffe.internal.octave_functions();
      python = caffe.internal.find_python();
      transport = caffe.internal.transport();
      self.folder = caffe.internal.new_folder_name();
      self.answers = fullfile(self.folder, 'r.mat');
      try
        if strcmp(transport, 'pipe')
          self.link = caffe.internal.PipeLink(python, self.folder);
        else
          self.link = caffe.internal.TcpLink(python, self.folder);
        end
        self.receive(0);
      catch reason
        error('caffe:bridge', 'the Caffe process could not be started: %s', self.bury(reason.message));
      end
    end
    function delete(self)
      self.close();
    end
    function close(self)
      %CLOSE  Hang up; the process then ends and removes its folder.
      if ~isempty(self.link)
        self.link.close();
        self.link = [];
      end
      self.obituary = 'it was closed';
    end
    function value = request(self, command, arguments)
      %REQUEST  Ask for something and wait for the answer. Log text that comes meanwhile is printed.
      self.cancel();
      number = self.send(command, arguments, 0);
      self.waiting = number;
      value = self.receive(number);
    end
    function tell(self, command, arguments)
      %TELL  Ask for something without listening to the answer. Nothing happens if the process is lost.
      if ~isempty(self.link)
        self.send(command, arguments, 2);
      end
    end
    function cancel(self)
      %CANCEL  Stop the request that is not answered yet: the user pressed Ctrl-C while it ran.
      if self.waiting ~= 0 && ~isempty(self.link)
        self.write('C', self.waiting, zeros(1, 0, 'uint8'), 0);
      end
      self.waiting = 0;
    end
    function follow_folder(self)
      %FOLLOW_FOLDER  Let the process's current folder be ours.
      here = pwd();
      if ~strcmp(here, self.current_folder)
        self.request('chdir', {here});
        self.current_folder = here;
      end
    end
  end
  methods (Access = private)
    function number = send(self, command, arguments, flags)
      if isempty(self.link)
        error('caffe:bridge', ['the Caffe process is gone (%s); call caffe.reset_all(), ' ...
          'then make your nets and solvers again'], self.obituary);
      end
      number = self.sequence + 1;
      self.sequence = number;
      [payload, large] = caffe.internal.encode([{command} arguments]);
      if ~isempty(large)
        flags = flags + 1;
        variables = cell2struct(large(:), arrayfun(@(k) sprintf('a%d', k - 1), 1:numel(large), ...
          'UniformOutput', false), 1); %#ok<NASGU>
        save(fullfile(self.folder, sprintf('q%d.mat', number)), '-struct', 'variables', '-v6');
      end
      self.write('Q', number, payload, flags);
    end
    function write(self, kind, number, payload, flags)
      try
        self.link.write(caffe.internal.frame(kind, number, payload, flags));
      catch reason
        self.lost(reason.message);
      end
    end
    function value = receive(self, number)
      % The answer to a request; those to requests that were cancelled come before it and are dropped.
      while true
        [kind, answered, payload, in_file] = self.read();
        if kind == 'L'
          if ~isempty(payload)
            fprintf('%s', caffe.internal.from_utf8(payload));
          end
        elseif answered == number
          break
        elseif kind == 'E' && answered == 0
          self.lost(caffe.internal.from_utf8(payload));
        end
      end
      self.waiting = 0;
      if kind == 'E'
        text = caffe.internal.from_utf8(payload);
        line_end = find(text == 10, 1);
        error(text(1:line_end - 1), '%s', text(line_end + 1:end));
      end
      large = struct();
      if in_file
        large = load(self.answers);
      end
      value = [];
      if ~isempty(payload)
        value = caffe.internal.decode(payload, large);
      end
    end
    function [kind, number, payload, in_file] = read(self)
      % One frame.
      try
        block = self.link.read(64);
        if block(1) ~= 'C' || block(2) ~= '1'
          error('caffe:bridge', 'it speaks another protocol: +caffe and caffe_sdk must be of one version');
        end
        kind = char(block(3));
        in_file = block(4) == 1;
        number = double(typecast(block(5:8), 'uint32'));
        count = double(typecast(block(9:16), 'uint64'));
        if count <= 48
          payload = block(17:16 + count);
        else
          payload = [block(17:64) self.link.read(count - 48)];
        end
      catch reason
        self.lost(reason.message);
      end
    end
    function lost(self, why)
      % The process cannot be talked to any more.
      error('caffe:bridge', ['lost the Caffe process: %s; call caffe.reset_all(), ' ...
        'then make your nets and solvers again'], self.bury(why));
    end
    function why = bury(self, why)
      % End a process that is of no use, clean up behind it, and tell what is known of it.
      if ~isempty(self.obituary)
        why = self.obituary;
        return
      end
      why = [why caffe.internal.last_words(fullfile(self.folder, 'log'))];
      if ~isempty(self.link)
        self.link.kill();
        self.link = [];
      end
      caffe.internal.remove_folder(self.folder);
      self.waiting = 0;
      self.obituary = why;
    end
  end
end
