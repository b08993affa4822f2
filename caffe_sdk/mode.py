"""Modes and devices, under pycaffe's names: which engine computes."""

from __future__ import annotations

from caffe_sdk import engine
from caffe_sdk.errors import ArgumentError, DeviceError
from caffe_sdk.layers import REGISTRY


def set_mode_cpu() -> None:
    """Compute on the CPU from now on, in the whole process: with the engine CAFFE_ENGINE names, oneDNN by default."""
    engine.choose(None)


def set_mode_gpu() -> None:
    """Compute on the GPU from now on. DeviceError where there is no engine for it; the mode then stays as it was."""
    raise DeviceError(
        "set_mode_gpu",
        f"this version has no GPU engine; its engines are {', '.join(engine.names())}",
        "use set_mode_cpu()",
    )


def set_device(device: int) -> None:
    """Choose the GPU of GPU mode, counted from 0. DeviceError where there is none."""
    if not isinstance(device, int) or device < 0:
        raise ArgumentError("set_device", f"device {device!r} is not a whole number of 0 or more", "0 is the first GPU")
    raise DeviceError("set_device", f"GPU {device} was asked for; this version has no GPU engine", "use set_mode_cpu()")


def layer_type_list() -> list[str]:
    """The type names of all layers there are, in alphabetical order."""
    return sorted(REGISTRY)
