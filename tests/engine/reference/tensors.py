"""Numbers in and out of the reference engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Array, Tensor, new_tensor

ENGINE = ReferenceEngine()


def tensor(values: Any, dtype: Any = np.float64) -> Tensor:
    """A tensor of these values."""
    array = np.asarray(values, dtype)
    made = new_tensor(array.shape, dtype)
    made.memory.write(HOST)[...] = array.reshape(-1)
    return made


def empty(*shape: int, dtype: Any = np.float64) -> Tensor:
    """A tensor to be written."""
    return new_tensor(shape, dtype)


def values(tensor: Tensor) -> Array:
    """A copy of a tensor's values."""
    return ENGINE.read(tensor).copy()
