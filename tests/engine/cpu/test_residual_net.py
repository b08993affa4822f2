"""A residual block in a net at TEST: what its convolutions do at once can be looked at and edited one by one."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.net import Net
from caffe_sdk.net_spec import NetSpec
from caffe_sdk.net_spec import layers as L

FILLER = {"type": "msra"}
CONVOLUTION = {"num_output": 16, "kernel_size": 3, "pad": 1, "bias_term": False, "weight_filler": FILLER}


def normalized(n, name, x):
    y = n[name] = L.Convolution(x, **CONVOLUTION)
    n[f"bn_{name}"] = L.BatchNorm(y, in_place=True)
    n[f"scale_{name}"] = L.Scale(y, in_place=True, bias_term=True)
    return y


@pytest.fixture
def config():
    n = NetSpec()
    n.data = L.Input(shape={"dim": [2, 16, 9, 9]})
    shortcut = normalized(n, "a", n.data)
    y = normalized(n, "b", n.data)
    n.relu_b = L.ReLU(y, in_place=True)
    n.sum = L.Eltwise(shortcut, normalized(n, "c", y))
    n.relu = L.ReLU(n.sum, in_place=True)
    n.out = L.Convolution(n.sum, **CONVOLUTION)
    return n.to_proto()


def computed(config, edits=()):
    """Every blob after the edits, and one before them, as the net of the engine in charge has them."""
    net = Net(config, "test")
    rng = np.random.default_rng(5)
    net.blobs["data"].data[...] = rng.standard_normal((2, 16, 9, 9))
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.uniform(0.2, 1, blob.shape)
    first = net.forward()["out"].copy()
    for layer, index in edits:
        net.params[layer][index].data[0] *= 3
    net.forward()
    return {"first": first, **{name: blob.data.copy() for name, blob in net.blobs.items()}}


EDITS = [(), [("c", 0)], [("bn_c", 0)], [("bn_c", 1)], [("bn_b", 2)], [("scale_c", 0)], [("scale_a", 1)]]


@pytest.mark.parametrize("edits", EDITS)
def test_all_blobs_are_as_the_reference_has_them_whatever_is_edited(config, edits):
    found = {}
    for name in ("cpu", "reference"):
        with engine.selection.use(name):
            found[name] = computed(config, edits)
    for blob, expected in found["reference"].items():
        largest = float(np.abs(expected).max())
        np.testing.assert_allclose(found["cpu"][blob], expected, rtol=1e-4, atol=1e-4 * largest, err_msg=blob)
    assert np.array_equal(found["cpu"]["first"], found["cpu"]["out"]) is (not edits)
