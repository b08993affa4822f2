"""MATLAB's HDF5 functions against h5py itself; what Octave makes of them is in tests/matlab/test_hdf5.m."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_sdk.bridge import hdf5
from caffe_sdk.errors import ArgumentError, CorruptFileError, MissingFileError, ShapeError, WriteError

NONE = np.empty((0, 0))


def row(*numbers: float) -> np.ndarray:
    """A MATLAB row as it arrives."""
    return np.array(numbers, "f8").reshape(-1, 1)


def created(folder: Path, *size: float, chunk: np.ndarray = NONE) -> str:
    path = str(folder / "a.h5")
    hdf5.create(path, "/data", row(*size), "single", chunk, row(0), row(0))
    return path


def test_axes_are_reversed(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.random((5, 2, 3, 4), np.float32)  # [4 3 2 5] in MATLAB
    path = created(tmp_path, 4, 3, 2, np.inf, chunk=row(4, 3, 2, 2))
    hdf5.write(path, "/data", values[:3], row(1, 1, 1, 1), row(4, 3, 2, 3))
    hdf5.write(path, "/data", values[3:], row(1, 1, 1, 4), row(4, 3, 2, 2))
    with h5py.File(path) as file:
        assert np.array_equal(file["data"][()], values)
        assert file["data"].chunks == (2, 2, 3, 4)
    assert np.array_equal(hdf5.read(path, "/data", row(2, 1, 1, 5), row(1, 2, np.inf, np.inf)), values[4:, :, :2, 1:2])


def test_what_a_file_of_others_holds(tmp_path: Path) -> None:
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["group/text"] = "words"
        file["big"] = np.arange(3, dtype=">i2")
    found = hdf5.info(path, "/")
    assert found["groups"] == ["/group"]
    assert [(each["name"], each["type"], each["size"]) for each in found["datasets"]] == [
        ("big", "H5T_STD_I16BE", (3,))
    ]
    assert hdf5.info(path, "/group/text")["dataset"]["class"] == "H5T_OTHER"


def test_files_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("no HDF5")
    with pytest.raises(CorruptFileError, match=r"a\.h5: HDF5 says"):
        hdf5.info(str(tmp_path / "a.h5"), "/")
    with pytest.raises(MissingFileError, match=r"b\.h5"):
        hdf5.write(str(tmp_path / "b.h5"), "/data", np.ones((2, 2)), NONE, NONE)
    with pytest.raises(WriteError):
        hdf5.create(str(tmp_path / "nowhere" / "a.h5"), "/data", row(2), "single", NONE, row(0), row(0))


def test_places_that_cannot_be(tmp_path: Path) -> None:
    path = created(tmp_path, 3, 4)
    with pytest.raises(ShapeError, match="more than the dataset may have"):
        hdf5.write(path, "/data", np.ones((2, 3)), row(1, 4), row(3, 2))
    with pytest.raises(ArgumentError, match="MATLAB counts from 1"):
        hdf5.read(path, "/data", row(0, 1), row(1, 1))
    with pytest.raises(ArgumentError, match="no dataset '/label'; it has data"):
        hdf5.read(path, "/label", NONE, NONE)
