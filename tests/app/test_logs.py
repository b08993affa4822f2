"""Logs of Caffe's are read back as numbers, whatever stands between them."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from caffe_sdk.app import logs
from caffe_sdk.errors import DataError, MissingFileError

# As BVLC Caffe writes it, over the turn of a year, with lines of others in between.
LOG = r"""Log file created at: 2016/12/31 23:59:58
I1231 23:59:58.000001  4242 caffe.cpp:218] Using GPUs 0
I1231 23:59:59.500000  4242 solver.cpp:279] Solving LeNet
I1231 23:59:59.500000  4242 solver.cpp:280] Learning Rate Policy: inv
I1231 23:59:59.750000  4242 solver.cpp:337] Iteration 0, Testing net (#0)
I1231 23:59:59.900000  4242 solver.cpp:404]     Test net output #0: accuracy = 0.125
I1231 23:59:59.900000  4242 solver.cpp:404]     Test net output #1: loss = 2.5 (* 1 = 2.5 loss)
I1231 23:59:59.950000  4242 solver.cpp:337] Iteration 0, Testing net (#1)
I1231 23:59:59.990000  4242 solver.cpp:404]     Test net output #0: accuracy = 0.25
WARNING: somebody else says Iteration and loss = nothing
I0101 00:00:00.500000  4242 solver.cpp:228] Iteration 0 (0 iter/s, 1s/100 iters), loss = 2.25
I0101 00:00:00.500000  4242 solver.cpp:244]     Train net output #0: loss = 2.5 (* 0.5 = 1.25 loss)
I0101 00:00:00.500000  4242 solver.cpp:244]     Train net output #1: aux = nan (* 0.5 = nan loss)
I0101 00:00:00.500000  4242 sgd_solver.cpp:106] Iteration 0, lr = 0.01
I0101 00:00:01.500000  4242 solver.cpp:228] Iteration 100, loss = 1.5e-05
I0101 00:00:01.500000  4242 solver.cpp:244]     Train net output #0: loss = 1e-05 (* 0.5 = 5e-06 loss)
I0101 00:00:01.500000  4242 solver.cpp:244]     Train net output #1: aux = 2 (* 0.5 = 1 loss)
I0101 00:00:01.500000  4242 sgd_solver.cpp:106] Iteration 100, lr = 0.001
I0101 00:00:02.000000  4242 solver.cpp:337] Iteration 100, Testing net (#0)
I0101 00:00:02.500000  4242 solver.cpp:404]     Test net output #0: accuracy = 0.5
I0101 00:00:02.500000  4242 solver.cpp:404]     Test net output #1: loss = 1 (* 1 = 1 loss)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_bytes(LOG.encode() + b"\xff\xfe not text\n")
    os.utime(path, (1483228799, 1483228799))  # 2016-12-31
    return path


def test_entries(log: Path) -> None:
    found = list(logs.entries(log))
    assert [(e.kind, e.iteration, e.name) for e in found[:7]] == [
        ("test", 0, "accuracy"),
        ("test", 0, "loss"),
        ("test", 0, "accuracy"),
        ("loss", 0, ""),
        ("train", 0, "loss"),
        ("train", 0, "aux"),
        ("rate", 0, ""),
    ]
    assert found[0] == logs.Entry("test", 0, pytest.approx(0.4), 0.125, "accuracy", None, 0)
    assert found[2] == logs.Entry("test", 0, pytest.approx(0.49), 0.25, "accuracy", None, 1)
    assert found[3] == logs.Entry("loss", 0, 1.0, 2.25)
    assert (found[4].value, found[4].weighted) == (2.5, 1.25)
    assert math.isnan(found[5].value)
    assert [e.value for e in found if e.kind == "loss"] == [2.25, 1.5e-05]


def test_tables_of_the_original(log: Path) -> None:
    train, test = logs.parse_log(log)
    assert [list(row) for row in train] == [["NumIters", "Seconds", "LearningRate", "loss", "aux"]] * 2
    assert [row["NumIters"] for row in train] == [0, 100]
    assert [row["Seconds"] for row in train] == [1, 2]
    assert [row["LearningRate"] for row in train] == [0.01, 0.01]  # the one last told
    assert [(row["NumIters"], row["accuracy"], row.get("loss")) for row in test] == [
        (0, 0.125, 2.5),
        (0, 0.25, None),
        (100, 0.5, 1),
    ]


def test_a_log_of_two_runs(log: Path) -> None:
    log.write_text(LOG + LOG)
    train, test = logs.parse_log(log)
    assert [row["NumIters"] for row in train] == [0, 100, 0, 100]
    assert len(test) == 6


def test_seconds(log: Path) -> None:
    assert logs.extract_seconds(log) == pytest.approx([0.25, 0.45, 1, 1, 2, 2, 2.5])


def test_four_digits_of_a_year(tmp_path: Path) -> None:
    path = tmp_path / "new.log"
    path.write_text(
        "I20231231 23:59:59.000000 1 x] Iteration 0, lr = 1\nI20240101 00:00:01.5 1 x] Iteration 1, lr = 2\n"
    )
    assert [entry.seconds for entry in logs.entries(path)] == [0, 2.5]


def test_lines_without_times(tmp_path: Path) -> None:
    path = tmp_path / "bare.log"
    path.write_text("Iteration 5, loss = 3\nIteration 5, lr = 0.5\nI0230 00:00:00.0 x] Iteration 6, loss = 1.2.3\n")
    found = list(logs.entries(path))
    assert [(e.kind, e.iteration) for e in found] == [("loss", 5), ("rate", 5), ("loss", 6)]
    assert all(math.isnan(e.seconds) for e in found)
    assert math.isnan(found[2].value)
    with pytest.raises(DataError, match=r"bare\.log: no line of an iteration has a time"):
        logs.extract_seconds(path)
    with pytest.raises(MissingFileError):
        list(logs.entries(tmp_path / "none"))
