"""``caffe serve`` as a process: started, used, asked to end."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk import client
from caffe_sdk.errors import BridgeError, CancelledError, LimitError
from tests.app.texts import NET, SOLVER

COMMAND = [sys.executable, "-m", "caffe_sdk.cli", "serve"]


@pytest.fixture
def process(root: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*COMMAND, "--address", "127.0.0.1:0", "--models", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().removeprefix("listening on ").strip()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_asked_to_end(process: subprocess.Popen[str], tmp_path: Path, asked: int) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    with client.connect(address_of(process)) as remote:
        assert remote.net(client.ServerFile("net.prototxt")).forward()["prob"].shape == (4, 5)
        process.send_signal(asked)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_it_ends_while_a_solver_trains(process: subprocess.Popen[str]) -> None:
    with client.connect(address_of(process)) as remote:
        solver = remote.solver(SOLVER)
        solver.net.blobs["data"].data = np.ones((8, 10))
        events = solver.events(10**9)
        next(events)
        process.terminate()
        with pytest.raises((BridgeError, CancelledError)):
            list(events)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_bad_address_is_told(root: Path) -> None:
    command = [*COMMAND, "--address", "0.0.0.0:0"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "address: '0.0.0.0:0' is open to other computers, and there is no encryption and no password" in ended.stderr


def test_a_training_goes_on_after_the_server_was_killed(root: Path, tmp_path: Path) -> None:
    """Killed in the middle, started again: the client connects again, makes its solver again, and resumes."""
    text = SOLVER.replace("max_iter: 20", "max_iter: 400") + 'snapshot: 10 snapshot_prefix: "night"'
    command, pipe = [*COMMAND, "--address", "127.0.0.1:0", "--files", str(tmp_path)], subprocess.PIPE

    def fill(solver: client.RemoteSolver) -> None:
        for net in (solver.net, *solver.test_nets):
            net.blobs["data"].data = np.ones((8, 10))

    with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: SIM117 - its address is printed
        with client.connect(address_of(process)) as remote:
            solver = remote.solver(text)
            assert solver.resume() == ""
            fill(solver)
            events = solver.events()
            next(event for event in events if type(event).__name__ == "Snapshot")
            process.kill()
            with pytest.raises((BridgeError, CancelledError)):
                list(events)
            with pytest.raises(BridgeError, match="start it again, and connect again"):
                _ = solver.iter
    with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True) as process:
        with client.connect(address_of(process)) as remote:
            solver = remote.solver(text)
            path = solver.resume()
            assert Path(path).parent == tmp_path
            begun = solver.iter
            assert begun >= 10
            assert Path(path).name == f"night_iter_{begun}.solverstate"
            fill(solver)
            solver.solve()
            assert solver.iter == 400
        process.terminate()
        process.communicate(timeout=60)


def test_small_files_of_huge_images_are_refused(process: subprocess.Popen[str], tmp_path: Path) -> None:
    """Fifty-six million pixels in a few thousand bytes: they would take 600 MB."""
    file = io.BytesIO()
    Image.new("1", (8000, 7000)).save(file, "PNG")
    with client.connect(address_of(process)) as remote:
        net = remote.net(NET)
        with pytest.raises(LimitError, match=r"8000 x 7000 pixels; send 50,000,000 pixels at most"):
            net.predict([file.getvalue()])
        assert net.forward()["prob"].shape == (4, 5)
        process.terminate()
        process.communicate(timeout=60)
