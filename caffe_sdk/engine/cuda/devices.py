"""The GPUs of this computer."""

from __future__ import annotations

import functools

from caffe_sdk.engine.cuda import compiler, libraries
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.engine import CudaEngine
from caffe_sdk.engine.cuda.gpu import GpuDevice, handle
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.errors import DeviceError


@functools.cache
def driver() -> Driver:
    """The driver. DeviceError where there is none, or none that works."""
    return Driver(libraries.driver())


def count() -> int:
    """How many GPUs can be used; 0 where there is no driver."""
    try:
        return driver().number("cuDeviceGetCount")
    except DeviceError:
        return 0


def check(number: int) -> None:
    """DeviceError, with what there is, where there is no such GPU."""
    handle(driver(), number)


def prepare() -> None:
    """Load what computing needs beside the driver. DeviceError where it is not installed. No GPU is touched."""
    compiler.library()
    libraries.load("cublas", compiler.VERSIONS, "multiplying matrices")


@functools.cache
def made(number: int) -> CudaEngine:
    """The engine of a GPU, one for all. DeviceError where it cannot be made."""
    options = Options()
    return CudaEngine(
        GpuDevice(number, driver(), options=options), "cuda" if number == 0 else f"cuda:{number}", options
    )
