"""Solvers that train together share out the records of a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import ranks
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.errors import ArgumentError, DeviceError


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    yield
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    caffe.set_multiprocess(False)


def test_one_solver_unless_said() -> None:
    assert (caffe.solver_count(), caffe.solver_rank(), ranks.multiprocess()) == (1, 0, False)


@pytest.mark.parametrize(("phase", "labels"), [(caffe.TRAIN, [1, 4]), (caffe.TEST, [0, 1])])
def test_in_training_each_solver_reads_records_of_its_own(tmp_path: Path, phase: int, labels: list[int]) -> None:
    write_arrays(tmp_path / "db", np.zeros((6, 1, 2, 2), np.uint8), np.arange(6))
    caffe.set_multiprocess(True)
    caffe.set_solver_count(3)
    caffe.set_solver_rank(1)
    assert (caffe.solver_count(), caffe.solver_rank(), ranks.multiprocess()) == (3, 1, True)
    n = caffe.NetSpec()
    n.data, n.label = L.Data(source=str(tmp_path / "db"), batch_size=2, ntop=2)
    with caffe.Net(n.to_proto(), phase) as net:
        net.forward()
        assert list(net.blobs["label"].data) == labels


def test_numbers_that_make_no_sense() -> None:
    with pytest.raises(ArgumentError, match="0 solvers"):
        caffe.set_solver_count(0)
    with pytest.raises(ArgumentError, match="rank -1"):
        caffe.set_solver_rank(-1)


def test_there_is_no_nccl() -> None:
    assert caffe.has_nccl() is False
    with pytest.raises(DeviceError, match="no GPU engine"):
        caffe.NCCL(None, "uid")
    with pytest.raises(DeviceError, match="no GPU engine"):
        caffe.NCCL.new_uid()
