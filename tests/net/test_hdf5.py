"""Weights of nets in HDF5 files: shared blobs once, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.errors import WeightsError
from caffe_sdk.net import Net
from caffe_sdk.schema import hdf5
from tests.net.models import describe

TWINS = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "z" type: "InnerProduct" bottom: "x" top: "z" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "a" type: "InnerProduct" bottom: "z" top: "a" param { name: "w" } param { name: "other" }
        inner_product_param { num_output: 3 bias_filler { type: "xavier" } } }
"""


def test_weights_go_and_come_back(tmp_path: Path) -> None:
    first, second = (Net(describe(TWINS), caffe.TEST) for _ in range(2))
    path = tmp_path / "weights.h5"
    first.save_hdf5(path)
    assert {name: list(blobs) for name, blobs in hdf5.read_net(path).items()} == {"in": [], "z": [0, 1], "a": [1]}
    for load in (second.load_hdf5, second.copy_from):
        second.params["z"][0].data[...] = 0
        assert load(path).copied == ["z", "a"]
        for name in ("z", "a"):
            for mine, its in zip(second.params[name], first.params[name], strict=True):
                np.testing.assert_array_equal(mine.data, its.data)


def test_a_missing_blob_changes_nothing(tmp_path: Path) -> None:
    net = Net(describe(TWINS), caffe.TEST)
    net.save_hdf5(tmp_path / "weights.h5")
    layers = {name: dict(blobs) for name, blobs in hdf5.read_net(tmp_path / "weights.h5").items()}
    del layers["z"][1]
    hdf5.write_net(tmp_path / "weights.h5", layers)
    before = net.params["z"][0].data.copy()
    with pytest.raises(WeightsError, match="Incompatible number of blobs for layer 'z': 1 in the source, 2 in the net"):
        net.load_hdf5(tmp_path / "weights.h5")
    np.testing.assert_array_equal(net.params["z"][0].data, before)
    hdf5.write_net(tmp_path / "weights.h5", {"elsewhere": layers["z"]})
    assert net.load_hdf5(tmp_path / "weights.h5").copied == []


def test_a_layer_that_does_not_fit_may_keep_its_values(tmp_path: Path) -> None:
    net = Net(describe(TWINS), caffe.TEST)
    path = tmp_path / "weights.h5"
    net.save_hdf5(path)
    layers = {name: dict(blobs) for name, blobs in hdf5.read_net(path).items()}
    del layers["z"][1]
    layers["a"][1].data[...] = 7
    hdf5.write_net(path, layers)
    report = net.load_hdf5(path, skip_mismatch=True)
    assert (report.copied, report.mismatched) == (["a"], ["z"])
    assert net.params["a"][1].data.tolist() == [7, 7, 7]
