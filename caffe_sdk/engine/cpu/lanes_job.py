"""What the loops of `lanes_kernels` work on, for those who call them and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

WINDOW = 2
"""Places that are pooled, down and across."""
ROWS, IMAGES = 10, 2
"""Of a product, multiplied at once: rows of the matrix, by so many times sixteen images."""

LANES = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("items", np.int64),
        ("filters", np.int64),
        ("count", np.int64),  # numbers of a filter
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        # Distances in bytes from sixteen images to the next sixteen
        ("x_image", np.int64),
        ("y_image", np.int64),
        # Of a convolution that is pooled: the way in x to a neighbour of a place of y, and sizes of what is left of y
        ("across", np.int64),
        ("down", np.int64),
        ("height", np.int64),
        ("width", np.int64),
        # Of a product: how many times sixteen images there are, and into how many filters it is cut for threads
        ("blocks", np.int64),
        ("of_part", np.int64),
        *((name, np.int64) for name in ("x", "taps", "w", "bias", "y")),
    ]
)
"""Sizes, and where images (blocks of 16 images, numbers, 16), row-major filters (filters, numbers) and `taps` are."""
