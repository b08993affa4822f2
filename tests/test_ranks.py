"""Solvers that train together share out the records of a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import ranks
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.errors import ArgumentError


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


@pytest.mark.parametrize("kind", ["HDF5Data", "ImageData", "WindowData"])
def test_every_source_is_shared_out(tmp_path: Path, kind: str) -> None:
    """What the two ranks read is together what one solver alone reads, in turns."""
    read = []
    for rank, count in ((0, 1), (0, 2), (1, 2)):
        caffe.set_random_seed(3)
        caffe.set_solver_count(count)
        caffe.set_solver_rank(rank)
        with caffe.Net(shared_net(tmp_path, kind, 4 // count), caffe.TRAIN) as net:
            net.forward()
            read.append(net.blobs["data"].data.reshape(4 // count, -1)[:, 0].tolist())
    alone, *shared = read
    assert [shared[i % 2][i // 2] for i in range(4)] == alone
    assert len(set(alone)) > 1


def shared_net(folder: Path, kind: str, batch: int) -> Any:
    """A net of one data layer whose records are all different."""
    for i in range(6):
        Image.new("RGB", (4, 4), (40 * i, 40 * i, 40 * i)).save(folder / f"{i}.png")
    (folder / "images.txt").write_text("".join(f"{folder}/{i}.png {i}\n" for i in range(6)))
    windows = (f"# {i}\n{folder}/{i}.png\n3\n4\n4\n1\n1 1.0 0 0 3 3\n" for i in range(6))
    (folder / "windows.txt").write_text("".join(windows))
    with h5py.File(folder / "rows.h5", "w") as file:
        file["data"] = np.arange(6.0)[:, None]
        file["label"] = np.arange(6.0)
    (folder / "rows.txt").write_text(f"{folder}/rows.h5")
    n = caffe.NetSpec()
    if kind == "HDF5Data":
        n.data, n.label = L.HDF5Data(source=f"{folder}/rows.txt", batch_size=batch, shuffle=True, ntop=2)
    elif kind == "ImageData":
        n.data, n.label = L.ImageData(source=f"{folder}/images.txt", batch_size=batch, shuffle=True, ntop=2)
    else:
        n.data, n.label = L.WindowData(
            source=f"{folder}/windows.txt",
            batch_size=batch,
            fg_fraction=1,
            transform_param={"crop_size": 4},
            ntop=2,
        )
    return n.to_proto()
