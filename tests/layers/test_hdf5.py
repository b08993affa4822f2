"""HDF5Data and HDF5Output in nets."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, MissingFileError, ShapeError, WriteError
from caffe_sdk.net import Net
from tests.layers.making import made
from tests.net.models import describe

ENGINE = select("reference")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["x"] = np.arange(10.0).reshape(5, 2)
        file["y"] = np.arange(5)
    (tmp_path / "list.txt").write_text(f"{tmp_path}/rows.h5\n")
    return tmp_path / "list.txt"


def net(listed: Path, more: str = "") -> Net:
    return Net(
        describe(f"""layer {{ name: "rows" type: "HDF5Data" top: "x" top: "y"
                             hdf5_data_param {{ source: "{listed}" batch_size: 3 {more} }} }}"""),
        0,
    )


def test_rows_come_in_order(listed: Path) -> None:
    with net(listed) as ours:
        assert [ours.blobs[name].shape for name in ("x", "y")] == [(3, 2), (3,)]
        assert [ours.forward()["y"].tolist() for _ in range(3)] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
        assert ours.blobs["x"].data.tolist() == [[2, 3], [4, 5], [6, 7]]


def test_shuffled_rows_are_resumed(listed: Path) -> None:
    with net(listed, "shuffle: true") as first, net(listed, "shuffle: true") as second:
        first.forward()
        second.restore_state(first.state())
        following = [first.forward()["y"].tolist() for _ in range(5)]
        assert [second.forward()["y"].tolist() for _ in range(5)] == following


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hdf5_data_param { batch_size: 1 }", "has no source"),
        ("hdf5_data_param { source: 's' }", "batch_size: 0"),
        ("hdf5_data_param { source: 's' batch_size: 1 } transform_param { scale: 2 }", "does not transform data"),
    ],
)
def test_parameters_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        made("HDF5Data", text, bottoms=0)


def test_errors_name_the_layer() -> None:
    layer = made("HDF5Data", "hdf5_data_param { source: 'nowhere.txt' batch_size: 1 }", bottoms=0)
    with pytest.raises(MissingFileError, match=r"^layer 'it' \(HDF5Data\): Could not open file nowhere.txt"):
        layer.shapes([])


def written(path: Path, *batches: int) -> None:
    layer = made("HDF5Output", f"hdf5_output_param {{ file_name: '{path}' }}", bottoms=2, tops=0)
    start = 0
    for rows in batches:
        data, label = Blob((rows, 2, 3)), Blob((rows,))
        data.data[...] = (start + np.arange(rows))[:, None, None]
        label.data[...] = start + np.arange(rows)
        assert layer.shapes([data.shape, label.shape]) == []
        layer.forward(ENGINE, [data, label], [])
        start += rows


def test_every_pass_adds_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    for batches in ((4, 2), (0, 3, 3)):  # a new layer begins the file anew
        written(path, *batches)
        with h5py.File(path) as file:
            assert file["data"].shape == (6, 2, 3, 1)
            assert file["label"][:, 0, 0, 0].tolist() == [*range(6)]
            assert file["data"][:, 1, 2, 0].tolist() == [*range(6)]


def test_the_file_is_that_of_caffe(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(shared / "golden" / "layers" / "HDF5Output_1.npz") as case:
        ours = Net(describe(str(case["prototxt"])), 1)
        ours.forward(x=case["in_x"], z=case["in_z"])
        (tmp_path / "theirs.h5").write_bytes(case["outfile_OUT_a.h5"].tobytes())
    with h5py.File("OUT_a.h5") as mine, h5py.File("theirs.h5") as theirs:
        assert sorted(mine) == sorted(theirs)
        for name in theirs:
            assert mine[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_what_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="has no file_name"):
        made("HDF5Output", bottoms=2, tops=0)
    layer = made("HDF5Output", f"hdf5_output_param {{ file_name: '{tmp_path}/no/out.h5' }}", bottoms=2, tops=0)
    assert not layer.can_force_backward(0)
    for shapes in ([(3, 2), (2,)], [(), ()], [(1,) * 5, (1,)]):
        with pytest.raises(ShapeError, match=r"give one batch size|give 1 to 4 axes"):
            layer.shapes(shapes)
    with pytest.raises(WriteError, match=rf"^layer 'it' \(HDF5Output\): {tmp_path}/no/out.h5 cannot be written"):
        layer.forward(ENGINE, [Blob((1,)), Blob((1,))], [])
