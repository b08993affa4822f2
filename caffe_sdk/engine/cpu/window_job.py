"""What the loops of `window_kernels` work on, for those who call them and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

ADDRESSES = ("x", "w", "y", "scale", "shift", "residual")
WINDOW = np.dtype(
    [
        ("ticket", np.int64),  # the next thread's number; first, because threads count it up where the job begins
        ("items", np.int64),
        ("claims", np.int64),  # where there is for each item whether a thread has taken it
        ("threads", np.int64),
        # How images are cut into pieces of so many places, and y's channels into parts
        ("pieces", np.int64),
        ("places", np.int64),
        ("parts", np.int64),
        ("blocks_of_part", np.int64),  # an even number
        # Sizes of y's images; windows of one place leave them a single row
        ("height", np.int64),
        ("width", np.int64),
        ("blocks_in", np.int64),  # of 16 channels
        ("blocks_out", np.int64),
        # The images x (n, blocks, rows, places, 16): distances in bytes
        ("x_image", np.int64),
        ("x_block", np.int64),
        ("x_row", np.int64),
        ("x_height", np.int64),
        # The window, in rows and places, and how many rows are missing above and below an image
        ("down", np.int64),
        ("across", np.int64),
        ("pad", np.int64),
        ("depth", np.int64),  # blocks of x's channels that are summed over in one go: one, if windows have many places
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        *((name, np.int64) for name in ADDRESSES),  # the residual's is 0 if there is none
    ]
)
"""Sizes, and where images (n, blocks, places, 16) and filters (blocks out, blocks in, window, 16 in, 16 out) are."""

PLACES = np.dtype(
    [
        ("ticket", np.int64),
        ("items", np.int64),  # blocks of channels of all images
        ("x", np.int64),
        ("x_height", np.int64),
        ("x_width", np.int64),
        ("y", np.int64),
        ("y_height", np.int64),
        ("y_width", np.int64),
        # Of the place of x for the first of y, and from there to the next
        ("top", np.int64),
        ("left", np.int64),
        ("down", np.int64),
        ("across", np.int64),
    ]
)
"""Where images (blocks, height, width, 16) are, and others made of some of their places and of zeros around them."""
