"""train.py with one device, in this process; with several it is in tests/solver/test_processes.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from caffe_sdk.cli import train_processes
from tests.solver.models import write, write_digits
from tests.solver.test_parallel import PLAIN, SAVING


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    return train_processes.train()


def test_train_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path)
    write(tmp_path, SAVING + "max_iter: 4", PLAIN)
    assert run(monkeypatch, "--solver", "solver.prototxt") == 0
    told = capsys.readouterr().err
    assert "Using devices [0]" in told
    assert "1 process on the CPU" in told
    write(tmp_path, SAVING + "max_iter: 6", PLAIN)
    assert run(monkeypatch, "--solver", "solver.prototxt", "--snapshot", "s_iter_4.solverstate", "--gpus", "1") == 0
    assert Path("s_iter_6.caffemodel").exists()


def test_mistakes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--solver", "nowhere.prototxt", "--gpus", "0", "1") == 5
    assert capsys.readouterr().err.count("train.py: missing_file") == 1
    with pytest.raises(SystemExit):
        run(monkeypatch)
    assert "--solver" in capsys.readouterr().err
