"""Modes and devices, under pycaffe's names: which engine computes."""

from __future__ import annotations

import importlib
from typing import Any

from caffe_sdk import engine
from caffe_sdk.blob import Blob
from caffe_sdk.engine.per_thread import PerThread
from caffe_sdk.errors import ArgumentError, DeviceError
from caffe_sdk.layers import REGISTRY

_device = PerThread(0)
"""The GPU of GPU mode."""


def set_mode_cpu() -> None:
    """Compute on the CPU from now on: with the engine CAFFE_ENGINE names, oneDNN by default.

    As in Caffe a thread's mode and device are its own. A thread that has set none follows the main thread.
    """
    engine.choose(None)


def set_mode_gpu() -> None:
    """Compute on the GPU that `set_device` chose, the first unless it did, from now on.

    DeviceError where there is none, or what computing there needs is not installed; the mode then stays as it was.
    """
    _compute_on(_device.get(), "set_mode_gpu")


def set_device(device: int) -> None:
    """Choose the GPU of GPU mode, counted from 0, for nets made from now on; those that are there stay on theirs.

    DeviceError where there is no such one.
    """
    if not isinstance(device, int) or device < 0:
        raise ArgumentError("set_device", f"device {device!r} is not a whole number of 0 or more", "0 is the first GPU")
    if engine.on_gpu():
        _compute_on(device, "set_device")
    else:
        try:
            engine.check_gpu(device)
        except DeviceError as error:
            raise error.at("set_device") from None
    _device.set(device)


def device() -> int:
    """The GPU of GPU mode."""
    return _device.get()


def set_precision(precision: str) -> None:
    """What a GPU stores the values between layers in, in nets made from now on: "float32", "float16" or "bfloat16".

    16 bits take half the memory and are multiplied on tensor cores; what you read and write stays float32, and so do
    parameters, their gradients, statistics and losses. In CPU mode it waits for GPU mode. ArgumentError for no format.
    """
    engine.choose_precision(precision)


def gpu_numbers(devices: str) -> list[int]:
    """GPUs as the command line asks for them: numbers with commas between, or 'all'. ArgumentError for anything else.

    DeviceError where one of them is not there.
    """
    names = [str(i) for i in range(max(1, engine.gpus()))] if devices == "all" else devices.split(",")
    if not all(name.strip().isdigit() for name in names):
        raise ArgumentError("-gpu", f"'{devices}' are no device numbers", "give numbers such as 0 or 0,1, or 'all'")
    numbers = [int(name) for name in names]
    if len(set(numbers)) < len(numbers):
        raise ArgumentError("-gpu", f"'{devices}' names a GPU twice", "name each once")
    for number in numbers:
        try:
            engine.check_gpu(number)
        except DeviceError as error:
            raise error.at("-gpu") from None
    return numbers


def use_gpus(devices: str) -> None:
    """GPU mode on the GPU that the command line names. ArgumentError for several, which only training can use."""
    numbers = gpu_numbers(devices)
    if len(numbers) > 1:
        raise ArgumentError("-gpu", f"{len(numbers)} GPUs were asked for; this computes on one", "give one number")
    set_device(numbers[0])
    set_mode_gpu()


def _compute_on(device: int, where: str) -> None:
    try:
        engine.choose_gpu(device)
    except DeviceError as error:
        raise error.at(where) from None


def cupy_array(blob: Blob, part: str = "data") -> Any:
    """A blob's values ("data") or gradients ("diff") on the GPU, a `cupy.ndarray` in its shape, without a copy.

    What is written into it counts, until somebody else writes the blob: ask for it anew after each forward or backward.
    All the net computed so far is there. CuPy works on streams of its own, so wait for them before the net goes on:
    ``cupy.cuda.get_current_stream().synchronize()``.

    Raises DeviceError in CPU mode, and where CuPy is not installed.
    """
    if part not in ("data", "diff"):
        raise ArgumentError("cupy_array", f"'{part}' is no part of a blob", "ask for 'data' or 'diff'")
    from caffe_sdk.engine.cuda.base import CudaBase
    from caffe_sdk.engine.cuda.place import DevicePlace, LastPlace, NarrowPlace

    memory = blob.data_memory if part == "data" else blob.diff_memory
    places = [place.wide if isinstance(place, (NarrowPlace, LastPlace)) else place for place in memory.fresh]
    places = [place for place in places if isinstance(place, DevicePlace)] if engine.on_gpu() else []
    gpu = engine.select(places[0].name) if places else engine.current()
    if not isinstance(gpu, CudaBase):
        raise DeviceError("cupy_array", f"the {gpu.name} engine keeps no blobs on a GPU", "call set_mode_gpu() first")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError:
        remedy = "pip install cupy-cuda12x, or cupy-cuda13x, as the driver is"
        raise DeviceError("cupy_array", "CuPy is not installed", remedy) from None
    with gpu.lock:
        buffer = memory.update(gpu.place)
        gpu.device.wait()
    held = cupy.cuda.UnownedMemory(buffer.pointer, buffer.nbytes, buffer, gpu.device.number)
    return cupy.ndarray(blob.shape, blob.dtype, cupy.cuda.MemoryPointer(held, 0))


def layer_type_list() -> list[str]:
    """The type names of all layers there are, in alphabetical order."""
    return sorted(REGISTRY)
