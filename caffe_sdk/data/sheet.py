"""Contact sheets: records as small pictures with their labels."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.datum import Labels, Pixels, Record
from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema.files import write_bytes

TILE = 96  # pixels, at most, of a picture's longer side
GAP = 8
CAPTION = 18
INK, PAPER = (40, 40, 40), (255, 255, 255)
SIDE_BY_SIDE = 4  # so many channels are shown of a record that is neither grey nor in colour

Picture = npt.NDArray[np.uint8]


def write_sheet(path: str | os.PathLike[str], records: Sequence[Record], rgb: bool = False) -> None:
    """Draw decoded records into an image file, each with its label below, in the order of reading.

    Three channels are BGR, or with ``rgb`` RGB; floats are spread from black to white. Raises ArgumentError for an
    ending that is no format of images, WriteError.
    """
    from PIL import Image, ImageDraw, ImageFont

    Image.init()
    form = Image.EXTENSION.get(os.path.splitext(path)[1].lower())
    if form not in Image.SAVE:
        raise ArgumentError(os.fspath(path), "is no name of an image file", "end it in .png")
    tiles = [_fitted(Image.fromarray(picture(record.array, rgb))) for record in records if record.array is not None]
    columns = math.ceil(math.sqrt(len(tiles))) or 1
    width = max((tile.width for tile in tiles), default=0) + GAP
    height = max((tile.height for tile in tiles), default=0) + GAP + CAPTION
    sheet = Image.new("RGB", (columns * width + GAP, math.ceil(len(tiles) / columns) * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(CAPTION - 5)
    for number, (tile, record) in enumerate(zip(tiles, records, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * width, GAP + row * height
        sheet.paste(tile, (left + (width - GAP - tile.width) // 2, top))
        middle = left + (width - GAP) / 2
        draw.text((middle, top + height - GAP - CAPTION + 2), caption(record.label), INK, font, anchor="ma")
    file = io.BytesIO()
    sheet.save(file, form)
    write_bytes(path, file.getvalue())


def picture(pixels: Pixels, rgb: bool = False) -> Picture:
    """What of a record (channels, height, width) can be seen: (height, width) grey or (height, width, 3) RGB, uint8.

    Of other numbers of channels the first ones stand side by side.
    """
    if pixels.dtype != np.uint8:
        finite = np.nan_to_num(np.asarray(pixels, np.float64), posinf=0, neginf=0)
        low, high = finite.min(), finite.max()
        pixels = ((finite - low) * (255 / (high - low or 1))).astype(np.uint8)
    if len(pixels) in (3, 4):
        return np.ascontiguousarray((pixels[:3] if rgb else pixels[2::-1]).transpose(1, 2, 0))
    return np.hstack(list(pixels[:SIDE_BY_SIDE]))


def caption(label: float | Labels) -> str:
    """A label in few words; of several the first ones."""
    first = [f"{number:g}" for number in np.atleast_1d(label)[:SIDE_BY_SIDE]]
    return " ".join(first) + (" ..." if np.size(label) > SIDE_BY_SIDE else "")


def _fitted(image: Any) -> Any:
    """Small pictures enlarged by a whole factor, large ones made smaller."""
    from PIL import Image

    longer = max(image.size)
    if longer <= TILE:
        factor = max(1, TILE // longer)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((TILE, TILE))
    return image
