"""Features in files of arrays; databases and flags are tested with the command, tests/cli/test_data_tools.py."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.app.features import extract_features
from caffe_sdk.errors import ShapeError

NET = """
layer { name: "noise" type: "DummyData" top: "x"
        dummy_data_param { shape { dim: 2 dim: 1 dim: 1 dim: 3 dim: 2 } data_filler { type: "gaussian" } } }
layer { name: "mean" type: "Reduction" bottom: "x" top: "1 mean" reduction_param { operation: MEAN } }
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "net.prototxt").write_text(NET)
    caffe.Net(tmp_path / "net.prototxt", caffe.TEST).save(str(tmp_path / "net.caffemodel"))
    return tmp_path / "net.caffemodel", tmp_path / "net.prototxt"


def test_axes_are_kept_and_a_number_is_an_item(files: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    paths = [tmp_path / "x.h5", tmp_path / "mean.h5"]
    extract_features(*files, ["x", "1 mean"], paths, 3, "hdf5", lambda *state: seen.append(state))
    with h5py.File(paths[0]) as x, h5py.File(paths[1]) as mean:
        assert x["x"].shape == (6, 1, 1, 3, 2)
        assert mean["1 mean"].shape == (3,)
        np.testing.assert_allclose(x["x"][()].reshape(3, -1).mean(1), mean["1 mean"][()], rtol=1e-5)
    assert [state[1:] for state in seen] == [(1, 3), (2, 3), (3, 3)]


def test_a_datum_has_three_axes(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="more than 4 axes"):
        extract_features(*files, ["x"], [tmp_path / "db"], 1, "lmdb")
    assert not (tmp_path / "db").exists()
