"""The same calls computed twice, by the reference engine and by the portable engine, and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffe_sdk.engine.portable import PortableEngine
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Shape, Tensor, new_tensor

Calls = Callable[[Any, dict[str, Tensor]], None]
"""Calls operations of an engine on named tensors."""


def tensors(shapes: dict[str, Shape], dtype: Any = np.float32) -> dict[str, Tensor]:
    """Tensors of random numbers; a name that begins with 'mask' is one of indices, all 0."""
    rng = np.random.default_rng(1)
    made = {}
    for name, shape in shapes.items():
        tensor = made[name] = new_tensor(shape, np.int32 if name.startswith("mask") else dtype)
        if tensor.memory.dtype == dtype:
            tensor.memory.write(HOST)[...] = rng.standard_normal(tensor.count)
    return made


def agree(shapes: dict[str, Shape], calls: Calls, dtype: Any = np.float32, tolerance: float = 2e-5) -> None:
    """Compute calls by both engines on equal tensors, and compare every tensor."""
    expected, actual = tensors(shapes, dtype), tensors(shapes, dtype)
    calls(ReferenceEngine(), expected)
    calls(PortableEngine(), actual)
    for name, tensor in expected.items():
        wanted, got = tensor.memory.read(HOST), actual[name].memory.read(HOST)
        scale = max(1.0, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale, err_msg=name)
