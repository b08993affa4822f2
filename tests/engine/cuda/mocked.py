"""The device of a GPU on a driver, a cuBLAS and a cuDNN that are none (mock_*.cpp): strict about how they are used."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import pytest

from caffe_sdk import mode
from caffe_sdk.engine import selection, user_cache
from caffe_sdk.engine.cuda import CudaEngine, devices
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.gpu import GpuDevice
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.simulated import compile_library, library_file
from caffe_sdk.engine.per_thread import PerThread

GIGABYTE = 1 << 30
PARTS = ("mock_gpu.cpp", "mock_dnn.cpp")
"""Of the mock: each knows those before it."""


@functools.cache
def mock() -> ctypes.CDLL:
    """The library, compiled when its text is new."""
    text = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in PARTS)
    folder = user_cache.folder("simulated")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mock-{hash_of(text)}.so"
    if not path.exists():
        compile_library(text, path)
    library = ctypes.CDLL(str(path))
    library.mock_used.restype = library.mock_dnn_descriptors.restype = library.mock_rooms.restype = ctypes.c_size_t
    return library


def hash_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings(memory: int = GIGABYTE, gpus: int = 2, pools: bool = True) -> None:
    """What the GPUs are like."""
    mock().mock_set(ctypes.c_size_t(memory), gpus, pools)


def fail(name: str, status: int) -> None:
    """Let the next call of a function fail."""
    mock().mock_fail(name.encode(), status)


def device(number: int = 0, options: Options | None = None) -> GpuDevice:
    """A GPU."""
    images = lambda family, architecture: str(library_file(family)).encode()  # noqa: E731
    return GpuDevice(number, Driver(mock()), mock, images, options, mock)


def install(monkeypatch: pytest.MonkeyPatch, gpus: int = 2) -> None:
    """Let the computer have GPUs, on a driver that is none."""
    settings(gpus=gpus)
    engine = functools.cache(lambda number: CudaEngine(device(number), f"cuda:{number}" if number else "cuda"))
    monkeypatch.setattr(devices, "driver", lambda: Driver(mock()))
    monkeypatch.setattr(devices, "prepare", lambda: None)
    monkeypatch.setattr(devices, "made", engine)
    monkeypatch.setattr(mode, "_device", PerThread(0))
    monkeypatch.setattr(selection, "_made", {})
