"""What the loops of `compact_kernels` work on, for those who call them and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

SLAB, ROW, CODES = 128, 512, 448
"""Rows of a matrix whose codes lie side by side, and for a column of them the bytes of numbers and of codes."""
MISFIT = 8
"""Bytes of a number that has no code: its row in the slab and its column, as one number, and itself."""
SLABS = 2
"""That are multiplied at the same time."""
AHEAD = 8
"""Columns from what is multiplied to what is fetched meanwhile."""
COLUMNS = 16
"""That are written or read at once."""
TABLES = ("least", "begins", "misfits")
COMPACT = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("items", np.int64),
        ("rows", np.int64),
        ("columns", np.int64),  # a multiple of 128
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        *((name, np.int64) for name in ("numbers", "codes", *TABLES, "room")),
        *((name, np.int64) for name in ("x", "listed", "y", "bias")),  # the bias' is 0 if there is none
    ]
)
"""Sizes, and where things are: the matrix's numbers, row after row, or their codes, for each slab column after column;
the bits of each row's least power of two; where misfits of a slab begin among all, with the end of the last; misfits;
room; and the vectors. Of x there is a list, too: how many numbers are not 0, their columns, and themselves."""


def slabs(rows: int) -> int:
    """How many there are. The last one's rows that are behind the matrix's have codes, too."""
    return -(-rows // SLAB)


def writing_room(columns: int) -> int:
    """Bytes that it takes to write codes: numbers of a slab, and of a few columns."""
    return SLAB * columns * 4 + reading_room()


def reading_room() -> int:
    """Bytes that it takes to read codes: numbers of a few columns, and of as many rows."""
    return COLUMNS * (ROW + 4 * COLUMNS)


def list_of_x(columns: int) -> int:
    """Bytes of the list of x."""
    return 4 * (1 + columns + AHEAD + columns)
