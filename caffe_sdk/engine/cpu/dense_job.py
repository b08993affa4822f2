"""What the loop of `dense_kernels` works on, for those who call it and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

APART = 8
"""Rows between those that are multiplied at the same time, so that each is followed by the next."""
ROWS = 4 * APART
"""Of an item."""
ADDRESSES = ("x", "weight", "y", "bias")
DENSE = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("items", np.int64),
        ("rows", np.int64),  # numbers of y
        ("columns", np.int64),  # numbers of x
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        *((name, np.int64) for name in ADDRESSES),  # the bias' is 0 if there is none
    ]
)
"""Sizes, and where the vectors and the row-major matrix are."""
