"""What the loops of `compact_kernels` work on, for those who call them and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

ROWS = 32
"""Of an item."""
NUMBERS, BLOCK, CODES = 128, 512, 448
"""Of a block: how many numbers, their bytes, and the bytes of their codes. See `portable.loops.codes`."""
MISFIT = 8
"""Bytes of a number that has no code: its column and itself."""
TABLES = ("least", "begins", "misfits")
COMPACT = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("items", np.int64),
        ("rows", np.int64),
        ("columns", np.int64),
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        *((name, np.int64) for name in ("numbers", "codes", *TABLES)),
        *((name, np.int64) for name in ("x", "y", "bias")),  # the bias' is 0 if there is none
    ]
)
"""Sizes, and where things are: the matrix's numbers or their codes, row after row; each row's least exponent; where
its misfits begin among all, with the end of the last; misfits; and the vectors."""


def stride(columns: int) -> int:
    """Bytes of a row of codes; numbers that fill no block are as they were."""
    return columns // NUMBERS * CODES + columns % NUMBERS * 4
