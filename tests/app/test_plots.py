"""Curves from logs and metrics, and pictures that show them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.app import plots
from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, DeviceError, WriteError
from caffe_sdk.solver import metrics
from caffe_sdk.solver.events import Iteration, Output, Tested
from tests.app.test_logs import LOG, log

__all__ = ["log"]


def table(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    return {curve.label: (curve.iterations, curve.values) for curve in plots.read_curves(path)}


def test_curves_of_a_log(log: Path) -> None:
    assert table(log) == {
        "test accuracy": ([0, 100], [0.125, 0.5]),
        "test net #1 accuracy": ([0], [0.25]),
        "train loss": ([0, 100], [2.25, 1.5e-05]),
        "learning rate": ([0, 100], [0.01, 0.001]),
        "test loss": ([0, 100], [2.5, 1]),
    }


@pytest.mark.parametrize("end", [".jsonl", ".csv"])
def test_curves_of_metrics(tmp_path: Path, end: str) -> None:
    path = tmp_path / f"m{end}"
    record = metrics.record(path)
    record(Tested(0, 0, (Output("accuracy", 0.5, 0), Output("loss1", 2.0, 0.5))))
    record(Tested(0, 1, (Output("accuracy", float("nan"), 0),)))
    record(Iteration(0, 3.0, 2.5, 0.1, (Output("loss1", 6.0, 0.5),), 0.5, displayed=True))
    record.close()
    curves = table(path)
    assert {label: curve for label, curve in curves.items() if "#1" not in label} == {
        "test accuracy": ([0], [0.5]),
        "test loss": ([0], [1.0]),
        "train loss": ([0], [2.5]),
        "learning rate": ([0], [0.1]),
    }


def test_pictures_show_the_curves(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text(LOG)
    plots.draw([log], tmp_path / "one.png")
    plots.draw([log, other], tmp_path / "two.svg", over_seconds=True)
    with Image.open(tmp_path / "one.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == 960
    for colour in plots.COLOURS[:2]:
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - wanted).max(axis=2) < 8).sum() > 100
    assert (tmp_path / "two.svg").read_text().count('<g id="axes_') == 3


def test_what_cannot_be_drawn(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.log"
    empty.write_text("nothing\n")
    with pytest.raises(DataError, match=r"empty\.log: tells of no training; give a log of caffe train"):
        plots.draw([empty], tmp_path / "x.png")
    with pytest.raises(ArgumentError, match=r"x\.txt: is no kind of picture; use one of .*\.png"):
        plots.draw([log], tmp_path / "x.txt")
    with pytest.raises(WriteError, match=r"no/x\.png: cannot be written: No such file"):
        plots.draw([log], tmp_path / "no" / "x.png")
    with pytest.raises(ArgumentError, match="no log is given"):
        plots.draw([], tmp_path / "x.png")
    for text in ("[1]", "nonsense", json.dumps({"time": "x", "phase": "train", "net": 0, "iteration": 0, "lr": 1})):
        (tmp_path / "m.jsonl").write_text(text)
        with pytest.raises(CorruptFileError, match=r"m\.jsonl: is no file of metrics"):
            plots.read_curves(tmp_path / "m.jsonl")
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorruptFileError, match=r"m\.csv: is no file of metrics"):
        plots.read_curves(tmp_path / "m.csv")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(DeviceError, match=r"pip install 'caffe-sdk\[viz\]'"):
        plots.draw([log], tmp_path / "x.png")
