"""What there is to compute with: GPUs, as the driver tells of them, and libraries. No engine is made for it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_size_t
from dataclasses import dataclass

from caffe_sdk.engine.cuda import blas, compiler, driver, libraries, nccl
from caffe_sdk.engine.cuda.dnn import library as dnn
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.gpu import handle
from caffe_sdk.errors import CaffeError


@dataclass(frozen=True)
class Gpu:
    """What the driver tells of a GPU; bytes."""

    number: int
    name: str
    capability: str
    processors: int
    memory: int
    free: int


def gpus(cuda: Driver, numbers: Sequence[int]) -> list[Gpu]:
    """These GPUs. DeviceError where one of them is not there, or does not answer."""
    return [_gpu(cuda, number) for number in numbers]


def _gpu(cuda: Driver, number: int) -> Gpu:
    device = handle(cuda, number)
    major, minor, processors = (
        cuda.number("cuDeviceGetAttribute", which, device) for which in (driver.MAJOR, driver.MINOR, driver.PROCESSORS)
    )
    free, total = c_size_t(), c_size_t()
    context = cuda.made("cuDevicePrimaryCtxRetain", device)
    try:
        cuda.call("cuCtxPushCurrent_v2", context)
        try:
            cuda.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        finally:
            cuda.made("cuCtxPopCurrent_v2")
    finally:
        cuda.call("cuDevicePrimaryCtxRelease_v2", device)
    return Gpu(number, cuda.name_of(device), f"{major}.{minor}", processors, total.value, free.value)


def versions() -> dict[str, str]:
    """The version of each library that computing on GPUs may take, or why there is none."""
    sources: dict[str, Callable[[], str]] = {
        "NVRTC": lambda: ".".join(map(str, compiler.version())),
        "cuBLAS": lambda: blas.version(libraries.load("cublas", compiler.VERSIONS, "multiplying matrices")),
        "cuDNN": lambda: dnn.Dnn(dnn.library()).version,
        "NCCL": lambda: nccl.wanted().version,
    }
    found = {}
    for name, version in sources.items():
        try:
            found[name] = version()
        except CaffeError as error:
            found[name] = f"none ({error.what})"
    return found
