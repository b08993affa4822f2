"""Caffe's data transform: crop, mirror, minus mean, times scale, in this order, from a record to a row of the batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data import draws, images
from caffe_sdk.data.datum import Pixels, Record
from caffe_sdk.data.kernels import kernels
from caffe_sdk.errors import DataError, LayerError, ShapeError
from caffe_sdk.schema.messages import TRAIN
from caffe_sdk.schema.wire import read_blob

Shape = tuple[int, int, int]
Floats = npt.NDArray[np.float32]


class Transform:
    """The transform that a TransformationParameter describes.

    ``phase`` TRAIN crops at random, TEST in the middle; ``mirror`` turns every second record round, by chance, in both
    phases. ``force_color`` and ``force_gray`` only concern encoded images. ``where`` names the layer in errors.
    """

    def __init__(self, param: Any, phase: int, where: str) -> None:
        """Raises LayerError for parameters that contradict each other. Reads no file: see `check`."""
        self._where = where
        self._crop = int(param.crop_size)
        self._mirror = bool(param.mirror)
        self._scale = np.float32(param.scale)
        self._random = phase == TRAIN
        self._mean_file = os.fspath(param.mean_file)
        self._values: Floats = np.array(param.mean_value, np.float32)
        self._image: Floats | None = None
        self._color: bool | None = None
        if self._mean_file and self._values.size:
            raise LayerError(where, "has both mean_file and mean_value", "give one of them")
        if param.force_color and param.force_gray:
            raise LayerError(where, "has both force_color and force_gray", "give one of them")
        if param.force_color or param.force_gray:
            self._color = bool(param.force_color)
        if not self._values.size:
            self._values = np.zeros(1, np.float32)

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
        """(channels, height, width) of what becomes of a record of ``shape``. Raises ShapeError; touches no file."""
        channels, height, width = shape
        if self._values.size not in (1, channels):
            what = f"{self._values.size} mean_values for {channels} channels"
            raise ShapeError(self._where, what, "give one, or one for each channel")
        if not self._crop:
            return shape
        if self._crop > min(height, width):
            what = f"crop_size {self._crop} is larger than the record, {height} x {width}"
            raise ShapeError(self._where, what, "crop less, or make the records larger")
        return channels, self._crop, self._crop

    def pixels(self, record: Record) -> Pixels:
        """The record's pixels (channels, height, width), decoded if it is an encoded image. Raises DataError."""
        if record.array is None:
            record.array = images.decode(record.encoded or b"", self._color)
            record.shape = record.array.shape
        return record.array

    def apply(self, record: Record, out: Floats, seed: int) -> None:
        """Put the transformed record in ``out``, one row of the batch: (channels, height, width), contiguous.

        What is left to chance depends on ``seed`` and ``record.index`` only. Raises DataError where the record does not
        fit the batch, and what `check` raises.
        """
        pixels = self.pixels(record)
        self.check(pixels.shape)
        shape = self.output_shape(pixels.shape)
        if shape != out.shape:
            what = f"is {_text(pixels.shape)}, which gives {_text(shape)} in a batch of {_text(out.shape)}"
            raise DataError("", what, "all records of a batch must have one shape: resize them, or set crop_size")
        index = record.index
        down, right = pixels.shape[1] - shape[1], pixels.shape[2] - shape[2]
        if self._random and self._crop:
            top = draws.below(down + 1, seed, index, draws.TOP)
            left = draws.below(right + 1, seed, index, draws.LEFT)
        else:
            top, left = down // 2, right // 2
        mirror = self._mirror and draws.below(2, seed, index, draws.MIRROR) == 1
        if self._image is not None:
            kernels().minus_image(pixels, top, left, mirror, self._image, self._scale, out)
        else:
            mean = self._values if self._values.size == shape[0] else np.repeat(self._values, shape[0])
            kernels().minus_channels(pixels, top, left, mirror, mean, self._scale, out)

    def apply_batch(self, records: Sequence[Record], out: Floats, seed: int) -> None:
        """`apply` for each record and its row of ``out``, which is (records, channels, height, width)."""
        for record, row in zip(records, out, strict=True):
            self.apply(record, row, seed)


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
