"""What there is to compute with."""

from __future__ import annotations

import gc

import pytest

from caffe_sdk.engine.cuda import blas, inventory
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import GIGABYTE, device, mock, settings


def test_gpus_are_told_of_without_an_engine_and_beside_one():
    settings()
    gc.collect()  # what other tests left
    (before,) = inventory.gpus(Driver(mock()), [1])
    it = device(1)
    gpus = inventory.gpus(Driver(mock()), [0, 1])
    assert [(gpu.number, gpu.name, gpu.capability, gpu.processors) for gpu in gpus] == [
        (0, "Mock GPU", "9.0", 1),
        (1, "Mock GPU", "9.0", 1),
    ]
    assert [gpu.memory for gpu in gpus] == [GIGABYTE] * 2
    assert gpus[1].free < before.free
    it.wait()  # its context is still the thread's when it has its turn
    with pytest.raises(DeviceError, match="GPU 2 was asked for"):
        inventory.gpus(Driver(mock()), [2])


def test_versions_are_found_or_missing(monkeypatch):
    assert blas.version(mock()) == "12.4.5"
    monkeypatch.setenv("CAFFE_NCCL", "0")
    found = inventory.versions()
    assert list(found) == ["NVRTC", "cuBLAS", "cuDNN", "NCCL"]
    assert found["NCCL"] == "none (CAFFE_NCCL=0 says not to use it)"
