"""Which kernels work on pixels: Numba's where it can be loaded, else NumPy's, which give the same numbers."""

from __future__ import annotations

import functools
from types import ModuleType


@functools.cache
def kernels() -> ModuleType:
    """The module `kernels_numba`, or `kernels_numpy` where Numba cannot be loaded."""
    try:
        from caffe_sdk.data import kernels_numba

        return kernels_numba
    except ImportError:
        from caffe_sdk.data import kernels_numpy

        return kernels_numpy
