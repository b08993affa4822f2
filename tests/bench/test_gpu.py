"""The table of times on a GPU, made on the simulated device."""

from __future__ import annotations

import sys

import pytest

from caffe_sdk.errors import DeviceError
from tests.bench import gpu


def test_a_row_for_each_net_batch_and_way(monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["gpu.py", *["--engine", "simulated", "--nets", "lenet", "--batches", "1", "2", "--runs", "1"]]
    )
    gpu.main()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows[2:]] == [
        ["lenet", batch, way] for way in ("inference", "training") for batch in ("1", "2")
    ]
    assert all(float(row[3]) > 0 for row in rows[2:])


def test_memory_that_ends_is_in_its_row(monkeypatch):
    def ends(*arguments):
        raise DeviceError("memory", "9 bytes cannot be had")

    monkeypatch.setattr(gpu, "filled", ends)
    assert gpu.row("lenet", 1, False, 1) == "| lenet | 1 | inference | 9 bytes cannot be had | | |"


def test_the_median_counts(monkeypatch):
    ticks = iter([0, 1, 0, 5, 0, 2])
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(ticks))
    assert gpu.milliseconds(lambda: None, 3) == pytest.approx(2000)
