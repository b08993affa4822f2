"""Where NVIDIA's libraries are looked for, and what is said where they are not."""

from __future__ import annotations

import ctypes

import pytest

from caffe_sdk.engine.cuda import libraries
from caffe_sdk.engine.cuda.blas import PROTOTYPES as BLAS
from caffe_sdk.engine.cuda.compiler import PROTOTYPES as NVRTC
from caffe_sdk.engine.cuda.driver import PROTOTYPES as DRIVER
from caffe_sdk.engine.cuda.libraries import candidates, declare, load
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import mock


def test_wheels_come_before_the_system():
    found = list(candidates("nvrtc", (12, 13)))
    wheels, names = [path for path in found if "/" in path], [path for path in found if "/" not in path]
    assert names == ["libnvrtc.so.12", "libnvrtc.so.13"]
    assert wheels
    for path in wheels:  # nvidia/cuda_nvrtc/lib/libnvrtc.so.12, nvidia/cu13/lib/libnvrtc.so.13
        assert "/nvidia/" in path
        assert found.index(path) < found.index(path.rpartition("/")[2])
    assert load("nvrtc", (12, 13), "compiling")


def test_what_is_nowhere():
    words = (
        r"GPU: testing needs libnothing.so.1 or libnothing.so.2, which is nowhere here; pip install 'caffe-sdk\[gpu\]'"
    )
    with pytest.raises(DeviceError, match=words):
        load("nothing", (1, 2), "testing")


def test_no_driver(monkeypatch):
    def missing(name):
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(
        DeviceError, match=r"GPU: there is no NVIDIA driver here \(.*\); install NVIDIA's driver, or use"
    ):
        libraries.driver()


def test_functions_that_are_not_there():
    with pytest.raises(DeviceError, match="it has no cuThing: it is too old; update NVIDIA's driver and libraries"):
        declare(mock(), {"cuThing": ()}, "it")


def test_the_mock_has_every_function_that_is_called():
    declare(mock(), {**DRIVER, **BLAS}, "the mock")
    declare(load("nvrtc", (12, 13), "compiling"), NVRTC, "NVRTC")
