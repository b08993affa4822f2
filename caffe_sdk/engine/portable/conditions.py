"""When loops compute: for float32, where Numba is installed."""

from __future__ import annotations

import importlib.util

import numpy as np

from caffe_sdk.memory import Tensor

HAS_NUMBA = importlib.util.find_spec("numba") is not None


def usable(*tensors: Tensor) -> bool:
    """Whether loops may compute with the tensors: Numba is there, and each is of float32 and not empty."""
    return HAS_NUMBA and all(tensor.memory.dtype == np.float32 and tensor.count for tensor in tensors)


def apart(y: Tensor, *others: Tensor) -> bool:
    """Whether writing y leaves the others as they are."""
    return all(y.memory is not other.memory for other in others)
