"""The same calls computed twice, by the reference engine and by the engine of GPUs on the simulated device."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from caffe_sdk.engine.cuda import CudaEngine, devices
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.simulated import SimulatedDevice
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Array, Shape, Tensor, new_tensor

Calls = Callable[[Any, dict[str, Tensor]], None]
"""Calls operations of an engine on named tensors."""


def simulated(options: Options | None = None, device: SimulatedDevice | None = None) -> CudaEngine:
    """A new engine, on a new device unless one is given."""
    return CudaEngine(device or SimulatedDevice(), "simulated", options)


def on_a_gpu() -> bool:
    """Whether ``make test-gpu`` asks for the GPU, and there is one."""
    return os.environ.get("CAFFE_ENGINE") == "cuda" and devices.count() > 0


def usual(real: Format = FLOAT32, last: bool | None = None) -> CudaEngine:
    """The GPU's, else a new simulated one; with channels last or not, if that is said."""
    if not on_a_gpu():
        return simulated(Options(precision=real, channels_last=last))
    return devices.made(0, real.name) if last is None else _ordered(real, last)


@functools.cache
def _ordered(real: Format, last: bool) -> CudaEngine:
    device, options, checks = devices._device(0)
    return CudaEngine(device, f"cuda:0:{real.name}", replace(options, precision=real, channels_last=last), checks)


def tensors(shapes: dict[str, Shape]) -> dict[str, Tensor]:
    """Tensors of random numbers; a name that begins with 'mask' is one of ints, all 0."""
    rng = np.random.default_rng(1)
    made = {}
    for name, shape in shapes.items():
        mask = name.startswith("mask")
        tensor = made[name] = new_tensor(shape, np.int32 if mask else np.float32)
        put(tensor, np.zeros(tensor.count) if mask else rng.standard_normal(tensor.count))
    return made


def put(tensor: Tensor, values: Any) -> None:
    """Write numbers at the host."""
    tensor.memory.write(HOST)[...] = np.asarray(values).reshape(-1)


def get(tensor: Tensor) -> Array:
    """The numbers, in their shape."""
    numbers: Array = tensor.memory.read(HOST)
    return numbers.reshape(tensor.shape)


def agree(
    shapes: dict[str, Shape],
    calls: Calls,
    tolerance: float = 2e-5,
    given: dict[str, Any] | None = None,
    engine: CudaEngine | None = None,
) -> dict[str, Tensor]:
    """Compute calls by both engines on equal tensors, and compare every tensor; those of the device are returned."""
    expected, actual = tensors(shapes), tensors(shapes)
    for name, values in (given or {}).items():
        put(expected[name], values)
        put(actual[name], values)
    calls(ReferenceEngine(), expected)
    calls(usual() if engine is None else engine, actual)
    for name, tensor in expected.items():
        wanted, got = get(tensor), get(actual[name])
        scale = max(1.0, float(np.abs(np.nan_to_num(wanted, posinf=0, neginf=0)).max(initial=0)))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale, err_msg=name)
    return actual
