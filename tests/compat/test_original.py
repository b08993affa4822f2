"""What the tests of pycaffe itself ask for, in the spelling of Python 2's years where it still works."""

from __future__ import annotations

import functools
import gc
import operator
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.proto import caffe_pb2

NET = """
name: 'testnet' force_backward: true
layer { type: 'DummyData' name: 'data' top: 'data' top: 'label'
        dummy_data_param { num: 5 channels: 2 height: 3 width: 4 num: 5 channels: 1 height: 1 width: 1
                           data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' } } }
layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
        convolution_param { num_output: 11 kernel_size: 2 pad: 3 weight_filler { type: 'gaussian' std: 1 }
                            bias_filler { type: 'constant' value: 2 } }
        param { decay_mult: 1 } param { decay_mult: 0 } }
layer { type: 'InnerProduct' name: 'ip' bottom: 'conv' top: 'ip_blob'
        inner_product_param { num_output: 13 weight_filler { type: 'gaussian' std: 2.5 }
                              bias_filler { type: 'constant' value: -3 } } }
layer { type: 'SoftmaxWithLoss' name: 'loss' bottom: 'ip_blob' bottom: 'label' top: 'loss' }
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "net.prototxt").write_text(NET)
    return str(tmp_path / "net.prototxt")


@pytest.fixture
def net(file: str) -> Any:
    return caffe.Net(file, caffe.TRAIN)


def test_blobs_outlive_the_net(file: str) -> None:
    net = caffe.Net(file, caffe.TRAIN)
    net.forward()
    params = functools.reduce(operator.iadd, map(list, net.params.itervalues()), [])
    blobs = list(net.blobs.values())
    del net
    gc.collect()
    assert np.isfinite(sum(each.data.sum() + each.diff.sum() for each in params + blobs))


def test_clearing_shows_in_views_that_are_held(net: Any) -> None:
    net.forward()
    net.backward()
    diff = net.params["conv"][0].diff
    assert diff.max() > 0
    net.clear_param_diffs()
    assert (diff == 0).all()


def test_names_of_tops_and_bottoms(net: Any) -> None:
    assert net.top_names == OrderedDict(
        [("data", ["data", "label"]), ("conv", ["conv"]), ("ip", ["ip_blob"]), ("loss", ["loss"])]
    )
    assert net.bottom_names == OrderedDict(
        [("data", []), ("conv", ["data"]), ("ip", ["conv"]), ("loss", ["ip_blob", "label"])]
    )


def test_a_part_of_the_net(net: Any) -> None:
    conv, ip = net.blobs["conv"], net.blobs["ip_blob"]
    conv.data[:] = np.random.default_rng(1).uniform(size=conv.data.shape)
    given = conv.data.copy()
    out = net.forward(start="ip", end="ip")
    assert list(out) == ["ip_blob"]
    weights, bias = net.params["ip"]
    np.testing.assert_allclose(ip.data, given.reshape(5, -1) @ weights.data.T + bias.data, rtol=1e-3, atol=1e-3)
    ip.diff[:] = np.random.default_rng(2).uniform(size=ip.diff.shape)
    back = net.backward(start="ip", end="ip")
    assert list(back) == ["conv"]
    np.testing.assert_allclose(back["conv"].reshape(5, -1), ip.diff @ weights.data, rtol=1e-3, atol=1e-3)


def test_updates_show_in_views_that_are_held(file: str, tmp_path: Path) -> None:
    text = "base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: 'inv' gamma: 0.0001 power: 0.75 "
    (tmp_path / "solver.prototxt").write_text(f"net: '{file}' test_iter: 10 test_interval: 10 max_iter: 3 {text}")
    solver = caffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    data = solver.net.layers[1].blobs[0].data[...]
    data[...] = 0
    solver.net.layers[1].blobs[0].diff[...] = 1
    solver.apply_update()
    np.testing.assert_allclose(data, -0.01, rtol=1e-5)
    nets = [solver.net, *solver.test_nets]
    del solver
    gc.collect()
    assert len(nets) == 2
    assert all(np.isfinite(p.data.sum() + p.diff.sum()) for net in nets for ps in net.params.values() for p in ps)


def test_errors_are_of_the_types_they_were() -> None:
    pair = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <(type|class) 'tuple'>\)$"):
        L.Silence(pair, ntop=0)
    L.Silence(*pair, ntop=0)
    blob = caffe_pb2.BlobProto(data=[0.0] * 100)
    with pytest.raises(ValueError, match="BlobProto"):
        caffe.io.blobproto_to_array(blob)
    with pytest.raises(ValueError, match="Incorrect array shape"):
        caffe.io.array_to_datum(np.zeros((2, 2)))
    transformer = caffe.io.Transformer({"data": (1, 3, 4, 4)})
    with pytest.raises(ValueError, match="Mean channels incompatible with input"):
        transformer.set_mean("data", np.zeros(2))
    with pytest.raises(ValueError, match="Mean shape invalid"):
        transformer.set_mean("data", np.zeros((2, 4, 4)))
    with pytest.raises(RuntimeError, match=re.escape("Could not open file /nowhere.prototxt")):
        caffe.Net("/nowhere.prototxt", caffe.TEST)


def test_a_single_number_without_a_shape() -> None:
    assert caffe.io.blobproto_to_array(caffe_pb2.BlobProto(data=[123])) == 123
