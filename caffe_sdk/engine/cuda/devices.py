"""The GPUs of this computer."""

from __future__ import annotations

import functools
from dataclasses import replace

from caffe_sdk.engine.cuda import compiler, formats, libraries
from caffe_sdk.engine.cuda.checks import Checks
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.engine import CudaEngine
from caffe_sdk.engine.cuda.gpu import GpuDevice, handle
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.naming import Name
from caffe_sdk.errors import DeviceError

BFLOAT16_SINCE = 8
"""The major compute capability (Ampere, 2020)."""


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
def _device(number: int) -> tuple[GpuDevice, Options, Checks]:
    options = Options()
    device = GpuDevice(number, driver(), options=options)
    return device, options, Checks(device)


@functools.cache
def made(number: int, precision: str = "") -> CudaEngine:
    """The engine of a GPU and a precision, that of CAFFE_PRECISION if none is given; one for all.

    DeviceError where it cannot be made, and for bfloat16 on a GPU that does not multiply it.
    """
    device, options, checks = _device(number)
    real = formats.named(precision, "CAFFE_ENGINE") if precision else options.precision
    facts = device.facts()
    if real == formats.BFLOAT16 and int(facts.capability.partition(".")[0]) < BFLOAT16_SINCE:
        what = f"GPU {number} ({facts.name}, compute capability {facts.capability}) does not multiply bfloat16"
        raise DeviceError("GPU", what, "use float16")
    return CudaEngine(device, str(Name("cuda", number, precision)), replace(options, precision=real), checks)
