"""The device of a GPU on a driver, a cuBLAS and a cuDNN that are none (mock_*.cpp): strict about how they are used."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from caffe_sdk import mode
from caffe_sdk.engine import selection, user_cache
from caffe_sdk.engine.cuda import devices
from caffe_sdk.engine.cuda.checks import Checks
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.gpu import GpuDevice
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.simulated import compile_library, library_file
from caffe_sdk.engine.per_thread import PerThread

GIGABYTE = 1 << 30
PARTS = ("mock_gpu", "mock_dnn", "mock_dnn_others")
"""Of the mock: each knows those before it."""


def made(*names: str) -> Path:
    """A library of these files of this folder, compiled when their text is new."""
    text = "".join((Path(__file__).parent / f"{name}.cpp").read_text(encoding="utf-8") for name in names)
    folder = user_cache.folder("simulated")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{names[0]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    if not path.exists():
        compile_library(text, path)
    return path


@functools.cache
def mock() -> ctypes.CDLL:
    """The driver and cuBLAS."""
    library = ctypes.CDLL(str(made(*PARTS)))
    for name in ("mock_used", "mock_dnn_descriptors", "mock_rooms", "mock_pinned"):
        getattr(library, name).restype = ctypes.c_size_t
    return library


@functools.cache
def mock_nccl() -> ctypes.CDLL:
    """NCCL (mock_nccl.cpp). Exchanges what is on the mock's GPUs after `check_exchanges`, else whatever it is given."""
    return ctypes.CDLL(str(made("mock_nccl")))


def check_exchanges(strict: bool) -> None:
    """Whether all that is exchanged has to be memory of a mock's GPU, on a stream of its."""
    functions = (mock().mock_ready, mock().mock_put) if strict else (None, None)
    mock_nccl().mock_nccl_check(*(ctypes.cast(function, ctypes.c_void_p) for function in functions))


def settings(memory: int = GIGABYTE, gpus: int = 2, pools: bool = True) -> None:
    """What the GPUs are like."""
    mock().mock_set(ctypes.c_size_t(memory), gpus, pools)


AT_ONCE, LATE, COPIES_EARLY = range(3)


@contextmanager
def order(wanted: int) -> Iterator[None]:
    """When GPUs do what they are asked for: at once; as late as can be; that, but copies as early as can be."""
    mock().mock_order(wanted)
    try:
        yield
    finally:
        mock().mock_order(AT_ONCE)


def fail(name: str, status: int) -> None:
    """Let the next call of a function fail."""
    mock().mock_fail(name.encode(), status)


def device(number: int = 0, options: Options | None = None) -> GpuDevice:
    """A GPU."""
    images = lambda family, real, architecture: str(library_file(family, real)).encode()  # noqa: E731
    return GpuDevice(number, Driver(mock()), mock, images, options, mock)


def install(monkeypatch: pytest.MonkeyPatch, gpus: int = 2) -> None:
    """Let the computer have GPUs, on a driver that is none."""
    settings(gpus=gpus)

    def one(number: int) -> tuple[GpuDevice, Options, Checks]:
        it = device(number)
        return it, Options(), Checks(it)

    monkeypatch.setattr(devices, "driver", lambda: Driver(mock()))
    monkeypatch.setattr(devices, "prepare", lambda: None)
    monkeypatch.setattr(devices, "_device", functools.cache(one))
    monkeypatch.setattr(devices, "made", functools.cache(devices.made.__wrapped__))
    monkeypatch.setattr(mode, "_device", PerThread(0))
    monkeypatch.setattr(selection, "_precision", PerThread(""))
    monkeypatch.setattr(selection, "_made", {})
