"""How images become a net's input, written down once beside the model, so that everybody prepares them alike.

The record of ``net.caffemodel`` is ``net.preprocessing.json``, of ``deploy.prototxt`` ``deploy.preprocessing.json``::

    {"version": 1, "resize": [256, 256], "crop": [227, 227], "channels": "BGR", "mean": [104, 117, 123], "scale": 1}

Images are resized to (height, width), their pixels from 0 to 255 put in this order of channels, the mean is subtracted
and the rest multiplied by the scale; then a part is cut out. It is what ``transform_param`` says of training. Every
entry but ``version`` may be missing: then nothing is done, and the order of channels is BGR. ``mean`` is a number for
each channel; or there is a ``mean_file``, a .binaryproto or .npy, named from where the record is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk import io
from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.schema.files import PathLike, read_bytes, read_text, write_bytes
from caffe_sdk.schema.wire import read_blob

Array = NDArray[Any]
Size = tuple[int, int]
Sizes = Sequence[int] | Array

SUFFIX = ".preprocessing.json"
VERSION = 1
CHANNELS = {"BGR": [2, 1, 0], "RGB": [0, 1, 2], "GRAY": [0]}
"""Orders of channels, and where they are in images as `caffe_sdk.io.load_image` gives them."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""How much red, green and blue give to grey where Caffe reads images (ITU-R BT.601)."""
ENTRIES = ("version", "resize", "crop", "channels", "mean", "mean_file", "scale")


@dataclass(eq=False)
class Preprocessing:
    """A record. ``mean`` is (channels,) or (channels, height, width), from 0 to 255, in the order ``channels``."""

    resize: Size | None = None
    crop: Size | None = None
    channels: str = "BGR"
    mean: Array | None = None
    scale: float = 1.0

    def apply(self, image: ArrayLike, size: Sizes) -> Array:
        """The centre of an image as a net takes it whose images are of ``size`` (height, width).

        See `prepare`; the result is (channels, height, width).
        """
        return self.apply_pixels(_pixels(image), size)

    def apply_pixels(self, pixels: Array, size: Sizes) -> Array:
        """`apply` for an image from 0 to 255. One of the right size keeps its numbers exactly."""
        prepared = self.prepare_pixels(pixels, size)
        height, width = (int(each) for each in size)
        top, left = (prepared.shape[1] - height) // 2, (prepared.shape[2] - width) // 2
        return prepared[:, top : top + height, left : left + width]

    def prepare(self, image: ArrayLike, size: Sizes) -> Array:
        """An image from which to cut parts of ``size`` (height, width) for a net: (channels, height, width), float32.

        ``image`` is as `caffe_sdk.io.load_image` gives it: (height, width, channels), RGB, from 0 to 1. Grey images may
        go to nets that take colour, and the other way round. Raises ArgumentError for other arrays, for a size that is
        not the record's, and for a mean of another size.
        """
        return self.prepare_pixels(_pixels(image), size)

    def prepare_pixels(self, pixels: Array, size: Sizes) -> Array:
        """`prepare` for an image from 0 to 255."""
        height, width = self.check_crop(size)
        wanted = self.resize or (height, width)
        resized = pixels if pixels.ndim == 3 and pixels.shape[:2] == wanted else io.resize_image(pixels, wanted)
        order = CHANNELS[self.channels]
        if resized.shape[2] == 3 and len(order) == 1:
            resized = (resized @ GREY)[:, :, None]
        elif resized.shape[2] == 1 and len(order) == 3:
            resized = np.repeat(resized, 3, axis=2)
        if resized.shape[2] != len(order) or resized.shape[0] < height or resized.shape[1] < width:
            what = f"an image of {resized.shape} after resizing, and the net takes {(height, width, len(order))}"
            raise ArgumentError("preprocessing", what, "give grey or RGB, and resize to no less than the net takes")
        out: Array = resized.transpose(2, 0, 1)[order]
        if self.mean is not None:
            mean = self.mean if self.mean.ndim == 3 else self.mean[:, None, None]
            if mean.shape[1:] not in ((1, 1), out.shape[1:]):
                what = f"the mean is of {mean.shape[1:]}, and images are resized to {out.shape[1:]}"
                raise ArgumentError("preprocessing", what, "resize them to the mean's size")
            out = out - mean.astype(np.float32)
        return out * np.float32(self.scale)

    def differences(
        self,
        image_dims: Sequence[int] | None,
        mean: ArrayLike | None,
        input_scale: float | None,
        raw_scale: float | None,
        channel_swap: Sequence[int] | None,
    ) -> list[str]:
        """Which of a Classifier's arguments, in words, lead to other inputs than this record."""
        order = list(channel_swap) if channel_swap is not None else list(range(len(CHANNELS[self.channels])))
        raw, last = (1.0 if each is None else each for each in (raw_scale, input_scale))
        subtracted = np.zeros(1) if mean is None else np.asarray(mean, float)
        if subtracted.ndim > 1:
            subtracted = subtracted.mean(axis=(-2, -1))
        recorded = np.zeros(1) if self.mean is None else self.mean.reshape(len(self.mean), -1).mean(axis=1)
        checks = {
            "image_dims": self.resize is None or image_dims is None or tuple(image_dims) == self.resize,
            "channel_swap": order == CHANNELS[self.channels],
            "raw_scale and input_scale": bool(np.isclose(raw * last, 255 * self.scale)),
            "mean": subtracted.size in (1, recorded.size)
            and np.allclose(subtracted * last, recorded * self.scale, 1e-2),
        }
        return [name for name, same in checks.items() if not same]

    def check_crop(self, size: Sizes) -> Size:
        """The size of a net's images, or ArgumentError where it is not the record's."""
        height, width = (int(each) for each in size)
        if self.crop is not None and self.crop != (height, width):
            what = f"the record says that crops are {self.crop}, and the net takes {(height, width)}"
            raise ArgumentError("preprocessing", what, "correct the record, or take the net it is for")
        return height, width

    def save(self, path: PathLike) -> None:
        """Write the record, with a mean image as a .npy beside it. Raises WriteError."""
        entries: dict[str, Any] = {"version": VERSION, "resize": self.resize, "crop": self.crop}
        entries |= {"channels": self.channels, "scale": self.scale}
        if self.mean is not None and self.mean.ndim == 1:
            entries["mean"] = [float(value) for value in self.mean]
        elif self.mean is not None:
            mean_path = f"{_stem(path, SUFFIX)}.mean.npy"
            _save_array(mean_path, self.mean)
            entries["mean_file"] = os.path.basename(mean_path)
        kept = {name: value for name, value in entries.items() if value is not None}
        write_bytes(path, (json.dumps(kept, indent=2) + "\n").encode())


def _pixels(image: ArrayLike) -> Array:
    """An image from 0 to 1 as one from 0 to 255."""
    return np.asarray(image, np.float32) * np.float32(255)


def record_path(model: PathLike) -> str:
    """Where the record of a .caffemodel or prototxt is."""
    return f"{os.path.splitext(os.fspath(model))[0]}{SUFFIX}"


def plain(channels: int) -> Preprocessing:
    """The record of images that go in as they are, from 0 to 1: RGB, or grey where the net takes one channel."""
    return Preprocessing(None, None, "GRAY" if channels == 1 else "RGB", None, 1 / 255)


def find(*models: PathLike | None) -> Preprocessing | None:
    """The record of the first of several files (weights, prototxt) that has one. Raises what :func:`read` does."""
    for model in models:
        if isinstance(model, (str, os.PathLike)) and os.path.exists(record_path(model)):
            return read(record_path(model))
    return None


def read(path: PathLike) -> Preprocessing:
    """A record. Raises MissingFileError, FileError, and CorruptFileError that says which entry is wrong."""
    try:
        entries = json.loads(read_text(path))
    except ValueError as error:
        raise CorruptFileError(str(path), f"this is not JSON: {error}", "see caffe_sdk.preprocessing") from None
    if not isinstance(entries, dict) or entries.get("version") != VERSION:
        found = entries.get("version") if isinstance(entries, dict) else type(entries).__name__
        raise CorruptFileError(str(path), f"its version is {found!r}", f'begin with {{"version": {VERSION}')
    if unknown := sorted(set(entries) - set(ENTRIES)):
        _wrong(path, unknown[0], "is not known", f"the entries are {', '.join(ENTRIES)}")
    record = Preprocessing(_size(path, entries, "resize"), _size(path, entries, "crop"))
    record.channels = entries.get("channels", "BGR")
    if record.channels not in CHANNELS:
        _wrong(path, "channels", f"is {record.channels!r}", f"give one of {', '.join(CHANNELS)}")
    record.scale = entries.get("scale", 1.0)
    if not _is_number(record.scale):
        _wrong(path, "scale", f"is {record.scale!r}", "give a number")
    record.mean = _mean(path, entries, len(CHANNELS[record.channels]))
    return record


def _size(path: PathLike, entries: dict[str, Any], name: str) -> Size | None:
    size = entries.get(name)
    if size is None:
        return None
    if not isinstance(size, list) or len(size) != 2 or not all(type(each) is int and each > 0 for each in size):
        _wrong(path, name, f"is {size!r}", "give [height, width]")
    return size[0], size[1]


def _mean(path: PathLike, entries: dict[str, Any], channels: int) -> Array | None:
    mean, file = entries.get("mean"), entries.get("mean_file")
    if mean is not None:
        if file is not None:
            _wrong(path, "mean_file", "is given, and mean too", "give one of them")
        if not isinstance(mean, list) or len(mean) != channels or not all(map(_is_number, mean)):
            _wrong(path, "mean", f"is {mean!r}", f"give a list of {channels}, one number for each channel")
        return np.array(mean, np.float32)
    if file is None:
        return None
    if not isinstance(file, str):
        _wrong(path, "mean_file", f"is {file!r}", "give the name of a .binaryproto or .npy file")
    array = load_mean(Path(path).parent / file)
    if array.ndim not in (1, 3) or len(array) != channels:
        _wrong(path, "mean_file", f"holds an array of shape {array.shape}", f"give ({channels}, height, width)")
    return array


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _wrong(path: PathLike, entry: str, what: str, remedy: str) -> NoReturn:
    raise CorruptFileError(str(path), f"'{entry}' {what}", remedy)


# -- arrays in files -------------------------------------------------------------------------------------------------


def load_mean(path: PathLike) -> Array:
    """A mean in a .binaryproto, as compute_image_mean writes it, or .npy. Raises FileErrors."""
    if not os.fspath(path).endswith(".binaryproto"):
        return load_array(path)
    mean: Array = np.array(read_blob(path).data)
    return mean[0] if mean.ndim == 4 and len(mean) == 1 else mean


def load_array(path: PathLike) -> Array:
    """An array in a .npy file. Raises MissingFileError, FileError, CorruptFileError."""
    from io import BytesIO

    data = read_bytes(path)
    try:
        array: Array = np.load(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise CorruptFileError(str(path), f"this is no array: {error}", "give what numpy.save wrote") from None
    return array


def _save_array(path: str, array: Array) -> None:
    from io import BytesIO

    file = BytesIO()
    np.save(file, array)
    write_bytes(path, file.getvalue())


def _stem(path: PathLike, suffix: str) -> str:
    return os.fspath(path).removesuffix(suffix)


# -- from training ---------------------------------------------------------------------------------------------------


def from_transform(config: Any, channels: int, resize: Size | None = None) -> Preprocessing:
    """The record of what a ``transform_param`` does to images of so many ``channels``, stored at the size ``resize``.

    Raises FileErrors of its mean_file, ArgumentError for channels that are neither grey nor colour.
    """
    if channels not in (1, 3):
        raise ArgumentError("preprocessing", f"images of {channels} channels", "records are for 1 or 3")
    mean: Array | None = None
    if config.mean_file:
        mean = load_mean(config.mean_file)
    elif config.mean_value:
        values: Iterable[float] = config.mean_value
        mean = np.resize(np.array(list(values), np.float32), channels)
    crop = (config.crop_size, config.crop_size) if config.crop_size else None
    return Preprocessing(resize, crop, "BGR" if channels == 3 else "GRAY", mean, config.scale)
