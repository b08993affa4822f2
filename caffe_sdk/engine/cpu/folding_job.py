"""What the loop of `folding_kernels` works on, for those who call it and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

ADDRESSES = ("mean", "variance", "weight", "scale", "shift", "bias", "a", "b", "deviation")
FOLDING = np.dtype(
    [
        ("channels", np.int64),
        ("count", np.int64),  # of numbers in a and b, which go on with zeros
        ("eps", np.float64),
        *((name, np.int64) for name in ADDRESSES),
    ]
)
"""Sizes, and where numbers are: one for each channel, and the one weight of mean and variance."""
