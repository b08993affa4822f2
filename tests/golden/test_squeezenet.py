"""A real net with real weights computes what Caffe computed: SqueezeNet on a photo of a cat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine

RELATIVE = 1e-4


@pytest.mark.parametrize("name", ["reference", "cpu", "fake"])
def test_every_stored_blob(shared: Path, name: str) -> None:
    folder = shared / "models" / "squeezenet_v1.0"
    weights = str(folder / "squeezenet_v1.0.caffemodel")
    with engine.use(name), caffe.Net(str(folder / "SqueezeNet_deploy.prototxt"), weights, caffe.TEST) as net:
        with np.load(folder / "cat.caffe_ref.npz") as stored:
            expected = {key: stored[key] for key in stored.files}
        net.blobs["data"].reshape(*expected["input"].shape)
        net.blobs["data"].data[...] = expected["input"]
        net.forward()
        for key, values in expected.items():
            if key != "input":
                got = net.blobs[key.split(":", 1)[1]].data
                assert got.shape == values.shape
                assert np.abs(got - values).max() <= RELATIVE * np.abs(values).max(), key
        assert net.blobs["pool_final"].data.argmax() == expected["out:pool_final"].argmax()
