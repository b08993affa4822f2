"""Octave and its bridge come and go: exit, Ctrl-C, several at once. Each test starts an Octave of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.matlab import octave

SOLVER = """
net = test_net_file(); file = write_text(['net: "' net '"'], ...
  'base_lr: 0.01 lr_policy: "fixed" display: 1 max_iter: 100000000 snapshot_prefix: "snap"');
solver = caffe.Solver(file);
"""


@pytest.fixture(params=octave.TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Callable[[str, str], Talk]]:
    """Starts Octaves that read what is typed, and leaves none behind."""
    talks: list[Talk] = []

    def talk(transport: str, name: str) -> Talk:
        folder = tmp_path / name
        folder.mkdir()
        talks.append(Talk(folder, transport))
        return talks[-1]

    yield talk
    for each in talks:
        each.close()


class Talk:
    """An Octave that somebody types into."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            octave.command("disp('ready')", "--interactive", "--persist", "--no-line-editing"),
            env=octave.environment(folder, transport),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        self.said = ""
        self.wait_for("ready")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for(self, words: str) -> None:
        """Read on until these words come."""
        assert self.process.stdout is not None
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"Octave ended before it said {words!r}: {self.said}"
            self.said += line
        self.said = self.said.split(words, 1)[1]

    def press_ctrl_c(self) -> None:
        """As a terminal does it: every process of the group is told."""
        os.killpg(self.process.pid, signal.SIGINT)

    def bridges(self) -> list[Path]:
        return list((self.folder / "bridges").iterdir())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_nothing_is_left_or_said_at_the_exit(tmp_path: Path, transport: str) -> None:
    script = SOLVER + "nets = {caffe.Net(test_net_file(), 'test'), solver.net}; other = caffe.Net(net, 'test');"
    assert octave.run(script, tmp_path, transport).strip() == ""
    assert octave.bridge_is_gone(tmp_path)


def test_nothing_is_left_when_octave_is_killed(talk: Callable[[str, str], Talk], transport: str) -> None:
    killed = talk(transport, "killed")
    killed.type("caffe.version(); disp('started')")
    killed.wait_for("started")
    assert len(killed.bridges()) == 1
    killed.process.kill()
    assert octave.bridge_is_gone(killed.folder)


def test_ctrl_c_stops_training_and_keeps_the_nets(talk: Callable[[str, str], Talk], transport: str) -> None:
    user = talk(transport, "user")
    for line in SOLVER.strip().replace("...\n", "").splitlines():
        user.type(line)
    user.type("solver.solve()")
    user.wait_for("Iteration 3")
    user.press_ctrl_c()
    user.type("first = solver.iter(); pause(1); assert(solver.iter() == first && first >= 3); disp('stopped')")
    user.wait_for("stopped")
    user.type("solver.step(2); assert(solver.iter() == first + 2); disp('went on')")
    user.wait_for("went on")
    user.type("exit")
    user.process.wait(30)
    assert octave.bridge_is_gone(user.folder)


def test_two_at_once(talk: Callable[[str, str], Talk], transport: str) -> None:
    first, second = talk(transport, "first"), talk(transport, "second")
    for user in (first, second):
        user.type("net = caffe.Net(test_net_file(), 'test'); disp('made')")
    for user in (first, second):
        user.wait_for("made")
    first.type("caffe.reset_all()")
    first.wait_for("Cleared 0 solvers and 1 stand-alone nets")
    second.type("net.forward_prefilled(); disp('still there')")
    second.wait_for("still there")
    first.process.kill()
    assert octave.bridge_is_gone(first.folder)
    second.type("net.forward_prefilled(); disp('alive')")
    second.wait_for("alive")


def test_clear_all(talk: Callable[[str, str], Talk], transport: str) -> None:
    user = talk(transport, "user")
    user.type("net = caffe.Net(test_net_file(), 'test'); disp('made')")
    user.wait_for("made")
    user.type("clear all")
    user.type("caffe.reset_all()")
    user.wait_for("Cleared 0 solvers and 0 stand-alone nets")  # its destructor ran
    user.type("disp(caffe.version()); disp('answered')")
    user.wait_for("answered")
    assert len(user.bridges()) == 1
