"""A look at numbers in a notebook: their shape and range, and pictures of those that are maps or images."""

from __future__ import annotations

import base64
import html
import math
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TILES = 64
"""At most so many pictures are shown."""
SIDE = 512
"""Pixels of a sheet's side, about; small pictures are enlarged to fill it."""
MARGIN = 1
"""Pixels between tiles, before they are enlarged."""


def to_html(title: str, values: Array) -> str:
    """A heading, the range of the values, and a sheet of pictures if the last two axes are those of images."""
    parts = [f"<b>{html.escape(title)}</b>", f"<div>{to_words(values)}</div>"]
    if values.ndim >= 3 and min(values.shape[-2:]) > 1 and values.size:
        png = base64.b64encode(_png(sheet(values))).decode()
        parts.append(
            f'<img style="image-rendering: pixelated" alt="{html.escape(title)}" src="data:image/png;base64,{png}">'
        )
    return "\n".join(parts)


def sheet(values: Array) -> Array:
    """The first pictures of (..., height, width) side by side: (rows, columns) uint8, or (rows, columns, 3).

    Arrays of (n, 3, height, width) are images, blue first; others are maps of one channel each. The smallest finite
    value becomes black and the largest white.
    """
    height, width = values.shape[-2:]
    if values.ndim == 4 and values.shape[1] == 3:
        tiles = values[:TILES, ::-1].transpose(0, 2, 3, 1)
    else:
        tiles = values.reshape(-1, height, width)[:TILES, :, :, None]
    tiles = _brightness(tiles)
    columns = math.ceil(math.sqrt(len(tiles) * height / width))
    columns = min(max(1, columns), len(tiles))
    rows = math.ceil(len(tiles) / columns)
    page = np.full((rows * columns, height + MARGIN, width + MARGIN, tiles.shape[3]), 255, np.uint8)
    page[: len(tiles), :height, :width] = tiles
    page = page.reshape(rows, columns, *page.shape[1:]).swapaxes(1, 2)
    page = page.reshape(rows * (height + MARGIN), columns * (width + MARGIN), -1)[:-MARGIN, :-MARGIN]
    return page[:, :, 0] if page.shape[2] == 1 else page


def _brightness(values: Array) -> Array:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.nan_to_num(values, posinf=high, neginf=low).astype(np.float64) - low) / ((high - low) or 1.0)
    return np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _png(page: Array) -> bytes:
    from PIL import Image

    image = Image.fromarray(page)
    factor = SIDE // max(image.size)
    if factor > 1:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    elif max(image.size) > 2 * SIDE:
        image.thumbnail((2 * SIDE, 2 * SIDE))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def to_words(values: Array) -> str:
    """The range of values in words."""
    if not values.size:
        return "no values"
    finite = values[np.isfinite(values)]
    words = f"from {finite.min():.4g} to {finite.max():.4g}, mean {finite.mean():.4g}" if finite.size else ""
    others = values.size - finite.size
    return ", ".join(filter(None, [words, f"{others} not finite" if others else ""]))
