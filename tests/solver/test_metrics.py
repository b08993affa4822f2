"""What is measured goes to files, number by number, and a file that fails ends no training."""

from __future__ import annotations

import csv
import json
import math
import re
import time
from pathlib import Path

import pytest

from caffe_sdk.errors import ArgumentError, DeviceError, WriteError
from caffe_sdk.solver import metrics
from caffe_sdk.solver.events import Event, Finished, Iteration, Output, Tested

OUTPUTS = (Output("loss", 2.0, 0.5), Output("per_class", 0.25, 0), Output("per_class", math.nan, 0))
EVENTS: list[Event] = [
    Iteration(0, 1.5, 1.25, 0.1, OUTPUTS, 0.5, displayed=True),
    Iteration(1, 1.25, 1.0, 0.1, (), 0.5, displayed=False),
    Tested(2, 1, (Output("accuracy", 0.75, 0),), loss=0.5),
    Tested(2, 0, (), interrupted=True),
    Finished(2, False),
]
TRAIN = {"loss": 1.5, "per_class[0]": 0.25, "per_class[1]": None, "smoothed_loss": 1.25, "lr": 0.1, "seconds": 0.5}
TEST = {"accuracy": 0.75, "loss": 0.5}


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    for _ in range(2):  # a training that goes on goes on in its file
        recorder = metrics.record(path)
        for event in EVENTS:
            recorder(event)
        recorder.close()
        recorder.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 4
    assert all(abs(row.pop("time") - time.time()) < 60 for row in rows)
    assert rows[:2] == [
        {"phase": "train", "net": 0, "iteration": 0, **TRAIN},
        {"phase": "test", "net": 1, "iteration": 2, **TEST},
    ]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    for _ in range(2):
        recorder = metrics.record(path, every=True)
        for event in EVENTS:
            recorder(event)
        recorder.close()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time", "phase", "net", "iteration", "name", "value"]
    assert len(rows) == 2 * (len(TRAIN) + 4 + len(TEST))
    assert {row["name"]: float(row["value"]) for row in rows if row["phase"] == "test"} == TEST
    assert {(row["name"], row["value"]) for row in rows if row["iteration"] == "1"} >= {("loss", "1.25"), ("lr", "0.1")}


def test_the_loss_of_a_test_is_the_whole_nets() -> None:
    outputs = (Output("loss", 2.0, 0.5), Output("aux", 1.0, 0.25), Output("accuracy", 0.5, 0))
    found = metrics.measure(Tested(1, 0, outputs))
    assert found is not None
    assert found.values == {"loss": 1.25, "aux": 1.0, "accuracy": 0.5}


def test_events_for_tensorboard(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event as Record

    recorder = metrics.TensorBoard(tmp_path)
    for event in EVENTS:
        recorder(event)
    recorder.close()
    (path,) = tmp_path.iterdir()
    data, found = path.read_bytes(), {}
    while data:  # length (8 bytes), its checksum (4), record, its checksum (4)
        length = int.from_bytes(data[:8], "little")
        record = Record.FromString(data[12 : 12 + length])
        found |= {(value.tag, record.step): value.simple_value for value in record.summary.value}
        data = data[16 + length :]
    assert found["test1/accuracy", 2] == 0.75
    assert found["train/lr", 0] == pytest.approx(0.1)
    tags = {f"train/{name}" for name in TRAIN} | {f"test1/{name}" for name in TEST}
    assert {tag for tag, _ in found} == {re.sub(r"[\[\]]", "_", tag) for tag in tags}


def test_without_tensorboardx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(DeviceError, match=r"tensorboardX is not installed; pip install 'caffe-sdk\[viz\]'"):
        metrics.TensorBoard(tmp_path)


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"m\.txt: is no kind of file for metrics; give a name that ends in .jsonl"):
        metrics.record("m.txt")
    with pytest.raises(WriteError, match=r"no/m\.csv: cannot be written"):
        metrics.record(tmp_path / "no" / "m.csv")


def test_a_full_disk_ends_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits of file sizes")
    recorder = metrics.record(tmp_path / "m.jsonl")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
        for event in EVENTS:
            recorder(event)
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (message,) = [record.getMessage() for record in caplog.records]
    assert "m.jsonl cannot be written any more" in message
