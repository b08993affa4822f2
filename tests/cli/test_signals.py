"""Signals stop a training or have it saved, and what they did before comes back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from caffe_sdk.cli import signals
from tests.cli.test_train import SOLVER, folder

__all__ = ["folder"]


class Training:
    """What of a solver the signals use."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def request_stop(self) -> None:
        self.done.append("stop")

    def request_snapshot(self) -> None:
        self.done.append("snapshot")


def test_signals_do_what_they_are_told() -> None:
    """Raised, not sent by os.kill: that may come to another thread of the process, and later than the next line."""
    before, training = signal.getsignal(signal.SIGINT), Training()
    effects = {"SIGINT": "snapshot", "SIGHUP": "none", "SIGUSR1": "snapshot", "SIGTERM": "stop", "SIGNONE": "stop"}
    with signals.handled(training, effects):  # type: ignore[arg-type]
        for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGTERM"):
            signal.raise_signal(getattr(signal, name))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # whoever insists is obeyed at once
    assert training.done == ["snapshot", "snapshot", "stop"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    training = Training()
    with signals.handled(training, {"SIGINT": "stop"}):  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert training.done == ["stop"]


@pytest.mark.parametrize(
    ("saves", "stops", "flags"),
    [
        (signal.SIGHUP, signal.SIGINT, []),
        (signal.SIGUSR1, signal.SIGTERM, []),
        (signal.SIGTERM, signal.SIGUSR1, ["-sigterm_effect=snapshot", "-sigusr1_effect", "stop"]),
    ],
)
def test_a_training_is_saved_and_stopped(folder: Path, saves: int, stops: int, flags: list[str]) -> None:
    text = SOLVER.replace("max_iter: 20", "max_iter: 100000000").replace("snapshot: 5", "snapshot: 0")
    Path("long.prototxt").write_text(text)
    command = [sys.executable, "-m", "caffe_sdk.cli", "train", "-solver", "long.prototxt", *flags]
    root = Path(__file__).resolve().parents[2]
    with open("log", "w") as log:
        run = subprocess.Popen(command, stderr=log, env={**os.environ, "PYTHONPATH": str(root)})
        wait_for(r"Iteration 20 \(")
        run.send_signal(saves)
        wait_for(r"solver state to.*Iteration \d+ \(")
        assert run.poll() is None
        run.send_signal(stops)
        assert run.wait(60) == 0
    text = Path("log").read_text()
    assert "Optimization stopped early." in text
    assert "Traceback" not in text
    written = re.findall(r"solver state to binary proto file (\S+)", text)
    assert len(written) == 2
    assert all(Path(path).exists() for path in written)


def wait_for(pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not re.search(pattern, Path("log").read_text(), re.DOTALL) and time.monotonic() < deadline:
        time.sleep(0.02)
