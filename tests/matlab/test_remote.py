"""caffe.connect: the same script gives the same numbers on a server, with tokens and over TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk.app.descriptions import Objects
from caffe_sdk.server import Options, RunningServer, Tls, start
from tests.doors.bridge_client import wait_for
from tests.matlab import octave, toolbox

TOKEN = "correct-horse-battery"
SAME = """
here = play_script();
caffe.connect('{address}'{options});
there = play_script();
for k = 1:numel(here)
  check_equal(class(there{{k}}), class(here{{k}}));
  check_close(there{{k}}, here{{k}}, 1e-4);
end
assert(numel(here{{8}}) >= 10);
disp('the same');
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "tokens").write_text(f"lab train {TOKEN}\n")
    with start(Options("127.0.0.1:0", tokens=str(folder / "tokens"), grace=0)) as server:
        yield server


def test_a_script_gets_the_same_numbers(server: RunningServer, tmp_path: Path) -> None:
    script = SAME.format(address=server.address, options=f", 'Token', '{TOKEN}'")
    assert octave.run(script, tmp_path).splitlines()[-1] == "the same"
    assert octave.bridge_is_gone(tmp_path)


TOOLBOX = """
files = {{'{given}/small.prototxt', '{given}/small.caffemodel'}};
images = reshape(uint8(mod(1:12 * 9 * 3 * 4, 251)), [12 9 3 4]);
answers = cell(2, 5);
for k = 1:2
  net = caffe.import(files{{:}}, 'AverageImage', [30 20 10], 'Labels', {{'a', 'b', 'c'}});
  answers{{k, 1}} = caffe.predict(net, images, 'MiniBatchSize', 3);
  answers{{k, 2}} = caffe.activations(net, images, 'conv', 'OutputAs', 'rows');
  [~, answers{{k, 3}}] = caffe.detect(net, images(:, :, :, 1), [1 1 5 5; 2 3 6 7]);
  caffe.save_mat(net, 'net.mat');
  answers{{k, 4}} = caffe.predict(caffe.load_mat('net.mat'), images);
  options = caffe.trainingOptions('adam', 'MaxEpochs', 2, 'MiniBatchSize', 4, 'Seed', 1, 'Verbose', false);
  net = caffe.train(images, [7; 8; 9; 7], files{{1}}, options);
  answers{{k, 5}} = caffe.predict(net, images);
  if k == 1
    caffe.connect('{address}', 'Token', '{token}');
  end
end
for k = 1:5
  check_close(answers{{2, k}}, answers{{1, k}}, 1e-4);
end
check_equal(caffe.classify(net, images) >= 7, true(4, 1));
"""


def test_the_toolbox_on_a_server(server: RunningServer, tmp_path: Path) -> None:
    """Training on arrays happens here; its net then lives on the server as the others do."""
    toolbox.small_net(tmp_path, classes=3)
    octave.run(TOOLBOX.format(given=tmp_path, address=server.address, token=TOKEN), tmp_path)


def test_errors_and_the_way_back(server: RunningServer, tmp_path: Path) -> None:
    script = f"""
      net = caffe.Net(test_net_file(), 'test');
      check_error(@() caffe.connect('{server.address}'), 'caffe:credentials', 'no token came with the call');
      check_error(@() caffe.connect('{server.address}', 'Token', 'wrong-token'), 'caffe:credentials', 'is not known');
      check_error(@() caffe.connect(1), 'caffe:argument', 'address must be a string');
      check_error(@() caffe.connect('a', 'Token'), 'caffe:argument', 'options come in pairs');
      check_error(@() caffe.connect('a', 'Token', 1), 'caffe:argument', 'Token must be a string');
      check_error(@() caffe.connect('a', 'User', 'me'), 'caffe:argument', 'an option can be');
      check_error(@() caffe.connect('a', 'TLS', 'nowhere.pem'), 'caffe:missingFile', 'nowhere.pem does not exist');
      check_error(@() caffe.connect('a', 'TLS', {{}}), 'caffe:argument', 'TLS must be');
      net.forward_prefilled(); % a connection that fails changes nothing
      caffe.connect('{server.address}', 'token', '{TOKEN}', 'TLS', false);
      check_error(@() net.forward_prefilled(), 'caffe:handle', 'it was released or never made');
      net = caffe.Net(test_net_file(), 'test');
      check_error(@() net.blobs('data').set_data(1), 'caffe:shape', 'vs target blob shape: [ 4 3 2 5 ]');
      check_error(@() caffe.Net(write_text('layer {{ type: "Nonsense" }}'), 'test'), 'caffe:layer', 'type: Nonsense');
      solver = caffe.Solver(write_text(['net: "' test_net_file() '"'], 'base_lr: 0.01 lr_policy: "fixed" max_iter: 9'));
      solver.net.delete();
      solver.step(1);
      check_equal(solver.iter(), 1);
      check_error(@() solver.restore('/etc/solverstate'), 'caffe:file', 'opens no files');
      check_equal(evalc('caffe.connect()'), sprintf('Cleared 1 solvers and 1 stand-alone nets\\n'));
      check_error(@() net.forward_prefilled(), 'caffe:handle', 'it was released or never made');
      net = caffe.Net(test_net_file(), 'test');
      net.forward_prefilled();
      disp('went well');
    """
    assert octave.run(script, tmp_path).splitlines()[-1] == "went well"


@pytest.mark.parametrize(
    "end", ["", "bridge = caffe.internal.connection(); system(sprintf('kill -9 %d', bridge.link.pid));"]
)
def test_the_server_lets_go_when_the_client_ends(server: RunningServer, tmp_path: Path, end: str) -> None:
    script = f"""
      caffe.connect('{server.address}', 'Token', '{TOKEN}');
      nets = {{caffe.Net(test_net_file(), 'test'), caffe.Net(test_net_file(), 'train')}};
      disp('made'); {end}
    """
    assert octave.run(script, tmp_path).strip() == "made"
    wait_for(lambda: server.session.objects() == Objects(0, 0))


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caffe_sdk.bridge import remote
    from caffe_sdk.client import Security
    from caffe_sdk.errors import BridgeError

    monkeypatch.setattr(remote, "PATIENCE", 0.3)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BridgeError, match="no server answered in time"):
            remote.connect(f"127.0.0.1:{unused.getsockname()[1]}", Security())


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that asks its clients for a certificate, too; here both have the same one, which signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    names = ["-subj", "/CN=caffe", "-addext", "subjectAltName=DNS:caffe"]
    files = ["-keyout", "key.pem", "-out", "certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    with start(Options("127.0.0.1:0", tls=Tls(certificate, key, certificate), grace=0)) as server:
        yield server


def test_encrypted(encrypted: RunningServer, tmp_path: Path) -> None:
    script = f"""
      caffe.connect('{encrypted.address}', 'TLS', 'certificate.pem', 'ServerName', 'caffe', ...
        'Certificate', 'certificate.pem', 'Key', 'key.pem');
      net = caffe.Net(test_net_file(), 'test');
      check_equal(size(net.forward({{zeros(4, 3, 2, 5), zeros(5, 1)}}){{1}}), [1 1]);
      check_error(@() caffe.connect('a', 'Key', 1), 'caffe:argument', 'Key must be the name of a file');
      disp('went well');
    """
    assert octave.run(script, tmp_path).splitlines()[-1] == "went well"
