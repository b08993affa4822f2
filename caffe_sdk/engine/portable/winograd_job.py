"""What a loop of Winograd's filtering works on, for those who call it and for Numba, who need not meet."""

from __future__ import annotations

import numpy as np

BLOCK = 16  # channels
PIXEL = BLOCK * 4  # bytes of a place in a block
TILE, PLACES = 6, 36
"""Width of a tile of x, and numbers in it."""
ROWS, WIDTH = 6, 4
"""Rows of the piece of a product of matrices that is summed at once, and vectors in a row of a panel."""
PANEL = WIDTH * PIXEL
"""Bytes of a row of a panel. Matrices lie in panels, one after the other."""
STRIP = 2
"""Vectors of y's channels that are worked on at once where filters are transformed on the way: so few that what is used
many times fits into the first cache."""
SUMMED = 16
"""Blocks of channels of x whose products are then added up by themselves: sums of more would be less exact."""

JOB = np.dtype(
    [
        ("ticket", np.int64),  # of the next item; first, because threads count it up where the job begins
        ("thread", np.int64),  # the next thread's number; behind the ticket, because threads count it up as well
        ("items", np.int64),
        ("claims", np.int64),  # where there is for each item whether a thread has taken it
        ("threads", np.int64),
        # Tiles: how many of all images, of an image, and of an item
        ("tiles", np.int64),
        ("down", np.int64),
        ("across", np.int64),
        ("chunk", np.int64),
        ("step", np.int64),  # the width of a tile of y: 4, or 2 for 5x5 filters
        # The images x (n, blocks, height, width, 16): address, distances in bytes, sizes and padding
        ("x", np.int64),
        ("x_image", np.int64),
        ("x_plane", np.int64),
        ("x_height", np.int64),
        ("x_width", np.int64),
        ("pad_top", np.int64),
        ("pad_left", np.int64),
        # The images y, and what is added and done to them
        ("y", np.int64),
        ("y_image", np.int64),
        ("y_plane", np.int64),
        ("y_height", np.int64),
        ("y_width", np.int64),
        ("scale", np.int64),  # addresses of as many numbers as y has channels, or 0
        ("bias", np.int64),
        ("residual", np.int64),  # images like y, or 0
        ("slope", np.float64),  # what y is multiplied by where it is below 0
        # Filters in blocks (group, blocks out, blocks in, taps, taps, 16 in, 16 out), turned by half a circle or not
        ("w", np.int64),
        ("taps", np.int64),
        ("turned", np.int64),
        # Channels of a group in blocks, and how its output is cut into parts
        ("blocks_in", np.int64),
        ("blocks_out", np.int64),
        ("parts", np.int64),  # of all groups
        ("parts_of_group", np.int64),
        ("panels_of_part", np.int64),
        # Where filters are transformed on the way: a multiple of `STRIP`; chunks of rows of tiles
        ("blocks_of_part", np.int64),
        ("chunks", np.int64),
        # Transformed filters (group, 36, panel, channels in, 64): address, distances in bytes
        ("u", np.int64),
        ("u_group", np.int64),
        ("u_place", np.int64),
        ("u_panel", np.int64),
        # Transformed tiles of x and y (36, panel, tile, 64), and one tile; the distance between threads' own
        ("v", np.int64),
        ("v_place", np.int64),
        ("v_panel", np.int64),
        ("m", np.int64),
        ("m_place", np.int64),
        ("m_panel", np.int64),
        ("patch", np.int64),
        ("of_thread", np.int64),
    ]
)
"""What a loop works on."""
