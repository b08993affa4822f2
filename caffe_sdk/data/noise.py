"""The SSD fork's noise_param: changes that make images worse, or other, one after the other.

Images are of 8 bits, (channels, height, width), BGR or grey. The numbers are OpenCV's, which SSD uses, to the bit; but
for a JPEG, whose coders differ by some grey levels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from caffe_sdk.data import images
from caffe_sdk.data.datum import Pixels
from caffe_sdk.errors import DataError, LayerError

Generator = np.random.Generator
Integers = npt.NDArray[np.int64]

BLUR = np.array([9, 29, 55, 70, 55, 29, 9])
"""Weights in 256ths: a Gaussian of standard deviation 1.5, rounded so that what is left of one goes to the next."""
TILES, CLIP = 8, 4
"""Of the local equalisation: tiles along each axis, and how much more frequent than the mean a level counts at most."""
LEVELS = 256
STEP = 64
"""Grey levels that posterising makes one."""
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def check(param: Any, where: str) -> None:
    """See that a NoiseParameter makes sense. Raises LayerError."""
    salt = param.saltpepper_param
    if param.saltpepper and not (0 <= salt.fraction <= 1 and len(salt.value)):
        what = f"saltpepper with fraction: {salt.fraction:g} and {len(salt.value)} values"
        raise LayerError(where, what, "give saltpepper_param a fraction from 0 to 1, and values")
    if any(not 0 <= value < LEVELS for value in salt.value):
        raise LayerError(where, f"saltpepper_param of value {list(salt.value)}", "give values from 0 to 255")
    if param.jpeg > 100:
        raise LayerError(where, f"noise_param of jpeg: {param.jpeg:g}", "give a quality from 1 to 100, or leave it out")
    if param.convert_to_lab:
        remedy = "leave it out: SSD takes the floats that come of it for bytes"
        raise LayerError(where, "noise_param has convert_to_lab", remedy)


def noised(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """What a NoiseParameter makes of an image. Raises DataError where it does not fit the image's channels."""
    if len(pixels) not in (1, 3):
        raise DataError("", f"has {len(pixels)} channels", "noise_param is for images of 1 or 3 channels")
    if param.decolorize and len(pixels) == 3:
        pixels = np.repeat(luma(pixels)[None], 3, axis=0).astype(np.uint8)
    if param.gauss_blur:
        pixels = blurred(pixels)
    if param.hist_eq:
        pixels = _by_brightness(pixels, equalized)
    if param.clahe:
        pixels = _by_brightness(pixels, equalized_locally)
    if param.jpeg > 0:
        pixels = compressed(pixels, int(param.jpeg))
    if param.erode:
        pixels = np.stack([ndimage.grey_erosion(plane, footprint=CROSS, mode="nearest") for plane in pixels])
    if param.posterize:
        pixels = pixels // STEP * STEP + STEP // 2
    if param.inverse:
        pixels = 255 - pixels
    if param.saltpepper:
        pixels = salted(pixels, param.saltpepper_param, rng)
    if param.convert_to_hsv and len(pixels) == 3:
        pixels = hue_saturation_value(pixels)
    return pixels


# -- colours -----------------------------------------------------------------------------------------------------------


def luma(pixels: Pixels) -> Integers:
    """The brightness (height, width) of BGR: 0.299 R + 0.587 G + 0.114 B, in fractions of 2^14 (ITU-R BT.601)."""
    blue, green, red = pixels.astype(np.int64)
    brightness: Integers = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    return brightness


def hue_saturation_value(pixels: Pixels) -> Pixels:
    """BGR as hue from 0 to 179, saturation and value from 0 to 255."""
    blue, green, red = pixels.astype(np.int64)
    value = pixels.max(0).astype(np.int64)
    chroma = value - pixels.min(0)
    by_value = np.rint((255 << 12) / np.maximum(value, 1)).astype(np.int64)
    by_chroma = np.rint((180 << 12) / (6 * np.maximum(chroma, 1))).astype(np.int64)
    sixths = np.where(
        value == red, green - blue, np.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma)
    )
    hue = (sixths * by_chroma + 2048) >> 12
    saturation = (chroma * by_value + 2048) >> 12
    return np.stack([np.where(hue < 0, hue + 180, hue), saturation, value]).astype(np.uint8)


def _by_brightness(pixels: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
    """An image whose brightness is changed, and its colours' two differences from it are not."""
    if len(pixels) == 1:
        return change(pixels[0])[None]
    brightness = luma(pixels)
    to_red = np.clip(((pixels[2] - brightness) * 11682 + (128 << 14) + 8192) >> 14, 0, 255) - 128
    to_blue = np.clip(((pixels[0] - brightness) * 9241 + (128 << 14) + 8192) >> 14, 0, 255) - 128
    changed = change(brightness.astype(np.uint8)).astype(np.int64)
    red = changed + ((to_red * 22987 + 8192) >> 14)
    green = changed + ((to_blue * -5636 + to_red * -11698 + 8192) >> 14)
    blue = changed + ((to_blue * 29049 + 8192) >> 14)
    return np.asarray(np.clip(np.stack([blue, green, red]), 0, 255), np.uint8)


# -- contrast ----------------------------------------------------------------------------------------------------------


def equalized(plane: Pixels) -> Pixels:
    """A plane (height, width) in which all grey levels are as frequent as can be."""
    counts = np.bincount(plane.ravel(), minlength=LEVELS)
    first = int(counts.argmax() if counts.max() == plane.size else np.flatnonzero(counts)[0])
    others = plane.size - counts[first]
    if not others:
        return plane
    below = np.cumsum(counts) - counts[first]
    scaled = below.astype(np.float32) * np.float32(255 / np.float32(others))
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8)[plane])


def equalized_locally(plane: Pixels) -> Pixels:
    """The same tile by tile, blended between tiles, with bounded contrast (Zuiderveld, 1994: CLAHE)."""
    height, width = plane.shape
    over = [(0, -size % TILES if size % TILES else 0) for size in plane.shape]
    whole = np.pad(plane, over, "reflect" if min(plane.shape) > TILES else "edge")
    tall, wide = whole.shape[0] // TILES, whole.shape[1] // TILES
    tables = np.stack(
        [
            [_table(whole[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide]) for j in range(TILES)]
            for i in range(TILES)
        ]
    )
    up, down, from_up, from_down = _between(height, tall)
    left, right, from_left, from_right = _between(width, wide)
    rows, columns = (up[:, None], down[:, None]), (left[None], right[None])
    upper = tables[rows[0], columns[0], plane] * from_left + tables[rows[0], columns[1], plane] * from_right
    lower = tables[rows[1], columns[0], plane] * from_left + tables[rows[1], columns[1], plane] * from_right
    return np.asarray(np.rint(upper * from_up[:, None] + lower * from_down[:, None]), np.uint8)


def _table(tile: Pixels) -> npt.NDArray[np.float32]:
    """What becomes of each grey level in a tile. Levels too frequent give what is over to all."""
    counts = np.bincount(tile.ravel(), minlength=LEVELS)
    most = max(CLIP * tile.size // LEVELS, 1)
    over = int(np.maximum(counts - most, 0).sum())
    counts = np.minimum(counts, most) + over // LEVELS
    rest = over % LEVELS
    if rest:
        counts[:: max(LEVELS // rest, 1)][:rest] += 1
    scaled = np.cumsum(counts).astype(np.float32) * np.float32(255 / np.float32(tile.size))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.float32)


def _between(size: int, tile: int) -> tuple[Integers, Integers, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """For every place along an axis the two tiles between whose middles it lies, and their weights."""
    places = np.arange(size, dtype=np.float32) * np.float32(1 / np.float32(tile)) - np.float32(0.5)
    first = np.floor(places)
    share = places - first
    number = first.astype(np.int64)
    return np.maximum(number, 0), np.minimum(number + 1, TILES - 1), 1 - share, share


# -- details -----------------------------------------------------------------------------------------------------------


def blurred(pixels: Pixels) -> Pixels:
    """Each pixel the mean of those round it by a Gaussian; beyond its rim the image goes on as in a mirror."""
    soft = pixels.astype(np.int64)
    for axis in (1, 2):
        soft = ndimage.correlate1d(soft, BLUR, axis, mode="mirror")
    return np.asarray((soft + 2**15) >> 16, np.uint8)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """What is left of an image after it was a JPEG of this quality."""
    from PIL import Image

    file = io.BytesIO()
    rgb = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return images.decode(file.getvalue(), len(pixels) == 3)


def salted(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """An image with single pixels of one colour: a ``fraction`` of its pixels, each drawn among all."""
    channels, height, width = pixels.shape
    values = list(param.value) * (channels if len(param.value) == 1 else 1)
    if len(values) != channels:
        remedy = "give saltpepper_param one value, or one for each channel"
        raise DataError("", f"has {channels} channels, and saltpepper_param {len(values)} values", remedy)
    count = int(param.fraction * width * height)
    out = pixels.copy()
    rows, columns = rng.integers(height, size=count), rng.integers(width, size=count)
    out[:, rows, columns] = np.array(values, np.uint8)[:, None]
    return out
