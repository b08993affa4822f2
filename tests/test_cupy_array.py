"""Blobs as CuPy's arrays, with a CuPy that makes NumPy arrays of a simulated GPU's memory."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import selection
from caffe_sdk.errors import ArgumentError, DeviceError

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "power" type: "Power" bottom: "data" top: "twice" power_param { scale: 2 } }
"""


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As much of CuPy as is used; memory is told by address, size, what holds it, and device."""
    module = ModuleType("cupy")

    def ndarray(shape, dtype, pointer):
        (address, nbytes, holder, number), offset = pointer
        assert (offset, number, holder.nbytes) == (0, 0, nbytes)
        values = (ctypes.c_char * nbytes).from_address(address)
        return np.frombuffer(values, dtype, int(np.prod(shape))).reshape(shape)

    module.cuda = SimpleNamespace(
        UnownedMemory=lambda *told: told, MemoryPointer=lambda memory, offset: (memory, offset)
    )
    module.ndarray = ndarray
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    with selection.use("simulated"), caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST) as net:
        yield net


def test_what_is_written_counts_and_what_is_computed_is_there(cupy, net):
    caffe.cupy_array(net.blobs["data"])[...] = [[1, 2, 3], [4, 5, 6]]
    net.forward()
    twice = caffe.cupy_array(net.blobs["twice"])
    assert twice.dtype == np.float32
    np.testing.assert_array_equal(twice, [[2, 4, 6], [8, 10, 12]])
    twice[0, 0] = 7
    assert net.blobs["twice"].data[0, 0] == 7
    caffe.cupy_array(net.blobs["twice"], "diff")[...] = 5
    assert net.blobs["twice"].diff.sum() == 30


def test_no_copy_is_made(cupy, net):
    net.forward()
    moved = caffe.cupy_array(net.blobs["twice"])
    assert moved.ctypes.data == caffe.cupy_array(net.blobs["twice"]).ctypes.data


def test_what_is_not_there(net, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match="CuPy is not installed; pip install cupy-cuda12x"):
        caffe.cupy_array(net.blobs["data"])
    with pytest.raises(ArgumentError, match="'values' is no part of a blob"):
        caffe.cupy_array(net.blobs["data"], "values")
    with selection.use("reference"), pytest.raises(DeviceError, match="reference engine keeps no blobs on a GPU"):
        caffe.cupy_array(net.blobs["data"])
