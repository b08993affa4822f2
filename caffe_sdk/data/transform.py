"""Caffe's data transform: crop, mirror, minus mean, times scale, in this order, from a record to a row of the batch.

It has two parts. `Transform.cut` decodes a record, changes it as the fork's fields say and draws where to crop; it may
fail, and runs ahead of the net. `Transform.put` is one fused pass from those pixels to the floats of the batch; it
cannot fail, and writes right where the numbers are needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.cargo import LEFT, MIRRORED, TOGETHER, TOP, Images
from caffe_sdk.data import draws, images
from caffe_sdk.data.augment import Augment
from caffe_sdk.data.datum import Pixels, Record
from caffe_sdk.data.kernels import kernels
from caffe_sdk.errors import DataError, LayerError, ShapeError
from caffe_sdk.schema.messages import TRAIN
from caffe_sdk.schema.wire import read_blob

Shape = tuple[int, int, int]
Floats = npt.NDArray[np.float32]


@dataclass(slots=True, frozen=True)
class Cut:
    """A record ready for the fused pass: its pixels, where the crop of ``shape`` begins, and whether it is mirrored.

    ``pixels`` (channels, height, width) are contiguous, or three channels that lie together as decoders leave them.
    """

    pixels: Pixels
    shape: Shape
    top: int
    left: int
    mirror: bool


class Transform:
    """The transform that a TransformationParameter describes.

    ``phase`` TRAIN crops at random, TEST in the middle; ``mirror`` turns every second record round, by chance, in both
    phases. ``force_color`` and ``force_gray`` only concern encoded images. ``where`` names the layer in errors. Of
    forks: ``crop_h`` and ``crop_w`` for crops that are no squares, and what `caffe_sdk.data.augment` does.
    """

    def __init__(self, param: Any, phase: int, where: str) -> None:
        """Raises LayerError for parameters that contradict each other. Reads no file: see `check`."""
        self._where = where
        self._crop = self._crop_size(param)
        self._mirror = bool(param.mirror)
        self._scale = np.float32(param.scale)
        self._random = phase == TRAIN
        self._mean_file = os.fspath(param.mean_file)
        self._values: Floats = np.array(param.mean_value, np.float32)
        self._image: Floats | None = None
        self._channels: Floats = self._values  # for each channel, once their number is known
        self._color: bool | None = None
        self._augment = Augment(param, where) if Augment.wanted(param) else None
        if self._mean_file and self._values.size:
            raise LayerError(where, "has both mean_file and mean_value", "give one of them")
        if param.force_color and param.force_gray:
            raise LayerError(where, "has both force_color and force_gray", "give one of them")
        if param.force_color or param.force_gray:
            self._color = bool(param.force_color)
        if not self._values.size:
            self._values = np.zeros(1, np.float32)

    def _crop_size(self, param: Any) -> tuple[int, int] | None:
        """Height and width of the crop; None for none."""
        size, height, width = int(param.crop_size), int(param.crop_h), int(param.crop_w)
        if size and (height or width):
            raise LayerError(self._where, "has crop_size, and crop_h or crop_w", "give crop_size, or both the others")
        if bool(height) != bool(width):
            raise LayerError(self._where, f"crop_h: {height}, crop_w: {width}", "give both or none")
        return (size or height, size or width) if size or height else None

    def check(self, shape: Shape) -> None:
        """See that the mean fits records of ``shape``, reading its file the first time.

        Raises DataError if it does not, FileError or ShapeError if there is something wrong with the file.
        """
        if not self._mean_file:
            return
        if self._image is None:
            self._image = self._read_mean()
        if self._image.shape != shape:
            what = f"is {_text(shape)}, but {self._mean_file} is {_text(self._image.shape)}"
            raise DataError("", what, "a mean_file must have the shape of the records")

    def _read_mean(self) -> Floats:
        mean = np.asarray(read_blob(self._mean_file).data, np.float32)
        if mean.ndim < 3 or mean.size != np.prod(mean.shape[-3:]):
            what = f"{self._mean_file} holds a blob of shape {mean.shape}"
            raise ShapeError(self._where, what, "a mean is (1, channels, height, width)")
        return mean.reshape(mean.shape[-3:]).copy()

    def output_shape(self, shape: Shape) -> Shape:
        """(channels, height, width) of what becomes of pixels of ``shape``. Raises ShapeError; touches no file."""
        channels, height, width = shape
        if self._values.size not in (1, channels):
            what = f"{self._values.size} mean_values for {channels} channels"
            raise ShapeError(self._where, what, "give one, or one for each channel")
        if self._crop is None:
            return shape
        if self._crop[0] > height or self._crop[1] > width:
            crop = str(self._crop[0]) if self._crop[0] == self._crop[1] else _text(self._crop)
            what = f"crop_size {crop} is larger than the record, {height} x {width}"
            raise ShapeError(self._where, what, "crop less, or make the records larger")
        return channels, *self._crop

    def pixels(self, record: Record, room: Pixels | None = None) -> Pixels:
        """The record's pixels (channels, height, width), decoded if need be. Raises DataError, FileErrors.

        ``room`` may be overwritten: see `images.decode_together`.
        """
        if record.array is None:
            load = record.load or partial(images.decode_together, record.encoded or b"", self._color, room)
            record.array = load()
            record.shape = record.array.shape
        return record.array

    def cut(self, record: Record, seed: int, room: Pixels | None = None) -> Cut:
        """All that comes before the fused pass. What is left to chance depends on ``seed`` and ``record.index`` only.

        ``room``, the pixels of another cut that nobody needs any more, may be overwritten. Raises what `pixels`,
        `check`, `output_shape` and `Augment.apply` do.
        """
        index = record.index
        pixels = self.pixels(record, room)
        if self._augment is not None:
            pixels = self._augment.apply(images.planar(pixels), draws.generator(seed, index))
        if len(pixels) != 3:
            pixels = images.planar(pixels)
        self.check(pixels.shape)
        shape = self.output_shape(pixels.shape)
        down, right = pixels.shape[1] - shape[1], pixels.shape[2] - shape[2]
        if self._random and self._crop is not None:
            top = draws.below(down + 1, seed, index, draws.TOP)
            left = draws.below(right + 1, seed, index, draws.LEFT)
        else:
            top, left = down // 2, right // 2
        mirror = self._mirror and draws.below(2, seed, index, draws.MIRROR) == 1
        return Cut(pixels, shape, top, left, mirror)

    def put(self, cut: Cut, out: Floats) -> None:
        """The fused pass, into ``out``, one row of the batch: of the cut's shape, contiguous."""
        mean = self._mean(cut.shape[0])
        turned = images.together(cut.pixels)
        place = cut.top, cut.left, cut.mirror
        if turned is None and self._image is None:
            kernels().minus_channels(cut.pixels, *place, mean, self._scale, out)
        elif turned is None:
            kernels().minus_image(cut.pixels, *place, self._image, self._scale, out)
        elif self._image is None:
            kernels().minus_channels_together(turned, *place, mean, self._scale, out)
        else:
            kernels().minus_image_together(turned, *place, self._image, self._scale, out)

    def images(self, cuts: Sequence[Cut]) -> Images | None:
        """The fused pass over a batch, to be made by somebody else; None where not all pixels have 8 bits.

        Images of several sizes are cut out already.
        """
        if any(cut.pixels.dtype != np.uint8 for cut in cuts):
            return None
        whole = all(cut.pixels.shape == cuts[0].pixels.shape for cut in cuts)
        pixels: list[Pixels] = []
        places = np.zeros((len(cuts), 4), np.int32)
        for cut, place in zip(cuts, places, strict=True):
            seen, (_, height, width) = cut.pixels, cut.shape
            if whole:
                place[TOP], place[LEFT] = cut.top, cut.left
            turned = images.together(seen)
            if not whole:
                seen = seen[:, cut.top : cut.top + height, cut.left : cut.left + width]
            pixels.append(seen if turned is None else seen.transpose(1, 2, 0))
            place[MIRRORED], place[TOGETHER] = cut.mirror, turned is not None
        shape = cuts[0].shape
        mean = self._mean(shape[0]) if self._image is None else self._image
        return Images(pixels, places, mean, self._scale, (len(cuts), *shape))

    def _mean(self, channels: int) -> Floats:
        """The mean of each channel: the same array each time."""
        if self._channels.size != channels:
            self._channels = np.repeat(self._values, channels)
        return self._channels


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
