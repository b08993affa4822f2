"""Caffe's tools for logs under their own names, and ``caffe plot``."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffe_sdk.cli import log_tools
from caffe_sdk.cli import plot as plot_command
from caffe_sdk.cli.main import main
from tests.app.test_logs import LOG
from tests.app.test_outline import NET

TOOLS = ("extract_seconds", "parse_log", "plot_training_log", "summarize")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.log").write_text(LOG)
    Path("net.prototxt").write_text(NET)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, tool: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [tool, *arguments])
    return int(getattr(log_tools, tool)())


def test_parse_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    assert run(monkeypatch, "parse_log", "train.log", "out", "--verbose") == 0
    assert capsys.readouterr().out.splitlines() == ["Wrote out/train.log.train", "Wrote out/train.log.test"]
    assert (
        Path("out/train.log.train").read_bytes().startswith(b"NumIters,Seconds,LearningRate,loss,aux\r\n0.0,1.0,0.01,")
    )
    with open("out/train.log.test", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["accuracy"] for row in rows] == ["0.125", "0.25", "0.5"]
    assert run(monkeypatch, "parse_log", "train.log", "out", "--delimiter", ";") == 0
    assert "NumIters;Seconds" in Path("out/train.log.test").read_text()
    Path("empty.log").write_text("")
    assert run(monkeypatch, "parse_log", "empty.log", "out", "--verbose") == 0
    assert "Not writing out/empty.log.train; no lines to write" in capsys.readouterr().out


def test_extract_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "extract_seconds", "train.log", "seconds.txt") == 0
    assert Path("seconds.txt").read_text().splitlines()[0] == "0.250000"
    assert run(monkeypatch, "extract_seconds", "train.log") == 1
    assert "Usage: extract_seconds input_file output_file" in capsys.readouterr().out


def test_plot_training_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for chart in range(8):
        assert run(monkeypatch, "plot_training_log", str(chart), f"{chart}.png", "train.log") == 0
        assert Path(f"{chart}.png").read_bytes().startswith(b"\x89PNG")
    assert run(monkeypatch, "plot_training_log", "8", "x.png", "train.log") == 1
    assert "    4: Train learning rate vs. Iters\n" in capsys.readouterr().out
    Path("train.log").write_text("Iteration 0, lr = 1\n")
    assert run(monkeypatch, "plot_training_log", "0", "x.png", "train.log") == 6
    assert "train.log: tell nothing of test accuracy" in capsys.readouterr().err


def test_summarize(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "summarize", "-w", "20", "net.prototxt") == 0
    assert "5/2+1 8/2" in capsys.readouterr().out
    assert run(monkeypatch, "summarize", "none.prototxt") == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["parse_log", "none.log", "."], "parse_log: missing_file: Could not open file none.log"),
        (["parse_log", "train.log", "none"], "parse_log: write: none/train.log.train"),
        (["parse_log", "train.log", ".", "--delimiter", "ab"], "argument: --delimiter: 'ab' is not one character"),
        (["extract_seconds", "none.log", "x"], "extract_seconds: missing_file"),
    ],
)
def test_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(monkeypatch, *arguments) > 1
    assert words in capsys.readouterr().err


def test_caffe_plot(capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(plot_command.run)
    assert main(["plot", "train.log"]) == 0
    assert main(["plot", "train.log", "train.log", "--seconds", "-o", "both.svg"]) == 0
    Path("other.log").write_text(LOG)
    assert main(["plot", "train.log", "other.log"]) == 0
    assert capsys.readouterr().out.split() == ["train.png", "both.svg", "trainings.png"]
    assert all(Path(name).stat().st_size > 1000 for name in ("train.png", "both.svg", "trainings.png"))


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_of_the_original_names(tool: str, root: Path) -> None:
    path = root / "tools" / f"{tool}.py"
    assert os.access(path, os.X_OK)
    run = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert run.returncode in (1, 2)
    assert "usage:" in (run.stdout + run.stderr).lower()
