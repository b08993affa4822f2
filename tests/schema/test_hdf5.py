"""HDF5 forms of caffemodel and solverstate: Caffe's own are read, ours are like them, damage is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_sdk.errors import CorruptFileError, MissingFileError, WriteError
from caffe_sdk.schema import hdf5
from caffe_sdk.schema.messages import SolverState
from caffe_sdk.schema.wire import BlobArray


def blob(*shape: int, dtype: type = np.float32, diff: bool = False) -> BlobArray:
    values = np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape)
    return BlobArray(values, -values if diff else None)


def test_weights_come_back(tmp_path: Path) -> None:
    conv = {0: blob(2, 1, 3, 3, diff=True), 1: blob(2, dtype=np.float64)}
    hdf5.write_net(tmp_path / "w.h5", {"conv": conv, "relu": {}, "shared": {1: blob(0)}})
    back = hdf5.read_net(tmp_path / "w.h5")
    assert {name: list(blobs) for name, blobs in back.items()} == {"conv": [0, 1], "relu": [], "shared": [1]}
    np.testing.assert_array_equal(back["conv"][0].data, conv[0].data)
    np.testing.assert_array_equal(back["conv"][0].diff, conv[0].diff)
    assert (back["conv"][1].data.dtype, back["conv"][1].diff) == (np.float64, None)


def test_states_come_back(tmp_path: Path) -> None:
    state = SolverState(iter=7, learned_net="é.caffemodel.h5", current_step=2)
    hdf5.write_state(tmp_path / "s.h5", state, [blob(i + 1) for i in range(11)])
    back = hdf5.read_state(tmp_path / "s.h5")
    assert back.state == state
    assert [b.shape for b in back.history] == [(i + 1,) for i in range(11)]


def test_files_of_caffe_are_read_and_written_alike(shared: Path, tmp_path: Path) -> None:
    for case in ("SGD_16", "RMSProp_6", "AdaDelta_6"):
        folder = shared / "golden" / "solvers" / case
        layers = hdf5.read_net(folder / "snap_iter_10.caffemodel.h5")
        state = hdf5.read_state(folder / "snap_iter_10.solverstate.h5")
        assert (state.state.iter, state.state.learned_net) == (10, "snap_iter_10.caffemodel.h5")
        hdf5.write_net(tmp_path / "caffemodel.h5", layers)
        hdf5.write_state(tmp_path / "solverstate.h5", state.state, state.history)
        for kind in ("caffemodel.h5", "solverstate.h5"):
            assert described(tmp_path / kind) == described(folder / f"snap_iter_10.{kind}")


def described(path: Path) -> dict[str, object]:
    """Names, types, shapes and values of all that is in a file."""
    found: dict[str, object] = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        found[name] = (item.dtype, item.shape, item[()].tolist()) if isinstance(item, h5py.Dataset) else None

    with h5py.File(path) as file:
        file.visititems(look)
    return found


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with pytest.raises(MissingFileError, match="Could not open file"):
        hdf5.read_state(path)
    hdf5.write_state(path, SolverState(iter=7), [blob(100)])
    with pytest.raises(CorruptFileError, match="damaged, or not of the HDF5 form"):
        hdf5.read_net(path)  # another kind of file
    data = path.read_bytes()
    for damaged in (b"", data[: len(data) // 2], b"text" + data):
        path.write_bytes(damaged)
        with pytest.raises(CorruptFileError, match=r"s\.h5: damaged, or not of the HDF5 form"):
            hdf5.read_state(path)
    with pytest.raises(WriteError, match=r"cannot be written"):
        hdf5.write_state(tmp_path / "no" / "s.h5", SolverState(), [])
