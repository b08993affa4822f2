"""Images and arrays in and out of nets, as pycaffe's ``caffe.io`` has it.

Images are arrays (height, width, channels), RGB, float32 between 0 and 1; nets take (channels, height, width), mostly
BGR between 0 and 255. A `Transformer` goes from one to the other and back.

pycaffe used scikit-image. Here Pillow decodes and SciPy resizes, to the same numbers within float32's rounding for
linear interpolation. As in the scikit-image of Caffe's time nothing is smoothed before an image is made smaller, and
where it is made larger the outermost half pixel fades towards the image's smallest value.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, LimitError, also
from caffe_sdk.schema.files import PathLike, read_bytes
from caffe_sdk.schema.messages import BlobProto, BlobProtoVector, Datum
from caffe_sdk.schema.wire import BlobArray, decode_blob, encode_blob

Array = NDArray[Any]
Shape = tuple[int, ...]
Sizes = Sequence[int] | Array

GREY = np.array([0.2125, 0.7154, 0.0721], np.float32)
"""How much red, green and blue give to grey (ITU-R BT.709), as scikit-image has it."""

# Messages


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Array:
    """The values of a BlobProto, or its gradients: float64, in the blob's shape.

    Raises CorruptFileError (a ValueError besides, as in pycaffe) where there are more or fewer values than the shape
    holds, ArgumentError without gradients.
    """
    try:
        stored = decode_blob(blob.SerializeToString(), "BlobProto")
    except CorruptFileError as error:
        raise also(error, ValueError()) from None
    if return_diff and stored.diff is None:
        raise ArgumentError("BlobProto", "it holds no diff", "ask for its data")
    wanted = stored.diff if return_diff else stored.data
    return np.array(wanted, np.float64)


def array_to_blobproto(arr: ArrayLike, diff: ArrayLike | None = None) -> Any:
    """A BlobProto of an array of any shape, kept as float32, and of gradients of the same shape."""
    gradients = None if diff is None else np.asarray(diff, np.float32)
    return BlobProto.FromString(b"".join(encode_blob(BlobArray(np.asarray(arr, np.float32), gradients))))


def arraylist_to_blobprotovector_str(arraylist: Iterable[ArrayLike]) -> bytes:
    """The bytes of a BlobProtoVector of several arrays."""
    encoded: bytes = BlobProtoVector(blobs=[array_to_blobproto(arr) for arr in arraylist]).SerializeToString()
    return encoded


def blobprotovector_str_to_arraylist(str: bytes) -> list[Array]:
    """The arrays of a BlobProtoVector's bytes. Raises CorruptFileError."""
    from google.protobuf.message import DecodeError

    try:
        vector = BlobProtoVector.FromString(str)
    except DecodeError:
        raise CorruptFileError("BlobProtoVector", f"these {len(str)} bytes are not one") from None
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: ArrayLike, label: int | None = None) -> Any:
    """A Datum of an array (channels, height, width): its ``data`` for uint8, its ``float_data`` for other numbers.

    Raises ArgumentError for another number of axes.
    """
    array = np.asarray(arr)
    if array.ndim != 3:
        wrong = ArgumentError("", f"Incorrect array shape. {array.shape}", "give (channels, height, width)")
        raise also(wrong, ValueError())
    channels, height, width = array.shape
    datum = Datum(channels=channels, height=height, width=width)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(array.astype(float).ravel().tolist())
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Any) -> Array:
    """The array (channels, height, width) of a Datum: uint8 where it has ``data``, else float64. The label is
    ``datum.label``. Raises DataError where it holds another number of values, or an encoded image.
    """
    if datum.encoded:
        remedy = "make the database without -encoded, or open BytesIO(datum.data) with Pillow"
        raise DataError("Datum", "holds an encoded image", remedy)
    values = np.frombuffer(datum.data, np.uint8).copy() if datum.data else np.array(datum.float_data, np.float64)
    shape = (datum.channels, datum.height, datum.width)
    if min(shape) < 0 or values.size != np.prod(shape):
        raise DataError("Datum", f"holds {values.size} values, and its shape is {shape}")
    return values.reshape(shape)


# From images to a net's input and back


class Transformer:
    """Prepares arrays for the inputs of a net, and makes them pictures again.

    ``inputs`` are the shapes of the net's input blobs by name: ``{"data": net.blobs["data"].data.shape}``. What was set
    for an input is in the dicts ``transpose``, ``channel_swap``, ``raw_scale``, ``mean`` and ``input_scale``. Every
    call raises ArgumentError for an input that is not there and for values that do not fit it.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Transformer {', '.join(f'{name}: {tuple(shape)}' for name, shape in self.inputs.items())}>"

    def preprocess(self, in_: str, data: ArrayLike) -> Array:
        """An image (height, width, channels) as the input ``in_`` takes it: (channels, height, width), float32.

        In this order: resized to the input's height and width, axes transposed, channels swapped, times ``raw_scale``,
        minus ``mean``, times ``input_scale``; each where it has been set. ``data`` itself stays as it is.
        """
        shape = self._shape(in_)
        out: Array = np.array(data, np.float32)
        if len(shape) == 4 and out.shape[:2] != shape[2:]:
            out = resize_image(out, shape[2:])
        if in_ in self.transpose:
            self._check_axes(in_, out)
            out = out.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            self._check_channels(in_, out)
            out = out[list(self.channel_swap[in_])]
        out *= self.raw_scale.get(in_, 1)
        if in_ in self.mean:
            self._check_mean(in_, out, self.mean[in_])
            out -= self.mean[in_]
        out *= self.input_scale.get(in_, 1)
        return out

    def deprocess(self, in_: str, data: ArrayLike) -> Array:
        """The image that an input's values were made of: the steps of `preprocess` undone, but for resizing."""
        self._shape(in_)
        out = np.array(data).squeeze()
        if not np.issubdtype(out.dtype, np.floating):
            out = out.astype(np.float32)
        out /= self.input_scale.get(in_, 1)
        if in_ in self.mean:
            self._check_mean(in_, out, self.mean[in_])
            out += self.mean[in_]
        out /= self.raw_scale.get(in_, 1)
        if in_ in self.channel_swap:
            self._check_channels(in_, out)
            out = out[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            self._check_axes(in_, out)
            out = out.transpose(np.argsort(self.transpose[in_]))
        return out

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the axes, e.g. (2, 0, 1) from (height, width, channels) to (channels, height, width)."""
        axes = len(self._shape(in_)) - 1
        if sorted(order) != list(range(axes)):
            what = "Transpose order needs to have the same number of dimensions as the input."
            raise ArgumentError(f"input '{in_}'", f"{what} It is {tuple(order)}", f"give the axes 0 to {axes - 1}")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of the channels, after transposing: (2, 1, 0) turns RGB to BGR."""
        channels = self._shape(in_)[1]
        if sorted(order) != list(range(channels)):
            what = "Channel swap needs to have the same number of dimensions as the input channels."
            raise ArgumentError(
                f"input '{in_}'", f"{what} It is {tuple(order)}", f"give the channels 0 to {channels - 1}"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """What to multiply with before the mean is subtracted: 255 for nets that were trained on 0 to 255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: ArrayLike) -> None:
        """What to subtract: (channels,) or (channels, height, width), in the input's order of channels and its scale.

        A mean image of another height and width is resized. What is wrong with a mean is a ValueError too.
        """
        shape = self._shape(in_)
        array = np.asarray(mean, None if isinstance(mean, np.ndarray) else float)
        if array.ndim == 1:
            if len(array) != shape[1]:
                what = f"Mean channels incompatible with input. There are {len(array)}"
                remedy = f"give {shape[1]}, one for each channel"
                raise also(ArgumentError(f"input '{in_}'", what, remedy), ValueError())
            array = array[:, None, None]
        else:
            array = array[None] if array.ndim == 2 else array
            if array.ndim != 3 or len(array) not in (1, shape[1]):
                remedy = f"give ({shape[1]},) or {shape[1:]}; of a mean blob, blobproto_to_array(blob)[0]"
                what = f"Mean shape invalid: {np.shape(mean)}"
                raise also(ArgumentError(f"input '{in_}'", what, remedy), ValueError())
            if array.shape[1:] != shape[2:]:
                array = resize_image(array.transpose(1, 2, 0), shape[2:]).transpose(2, 0, 1)
        self.mean[in_] = array

    def set_input_scale(self, in_: str, scale: float) -> None:
        """What to multiply with at the end, after the mean was subtracted."""
        self._shape(in_)
        self.input_scale[in_] = scale

    def _shape(self, in_: str) -> Shape:
        if in_ not in self.inputs:
            raise ArgumentError("", f"{in_} is not one of the net inputs: {list(self.inputs)}", "name one of them")
        return tuple(int(size) for size in self.inputs[in_])

    def _check_axes(self, in_: str, data: Array) -> None:
        axes = len(self.transpose[in_])
        if data.ndim != axes:
            raise ArgumentError(f"input '{in_}'", f"values of shape {data.shape}", f"give {axes} axes")

    def _check_channels(self, in_: str, data: Array) -> None:
        channels = len(self.channel_swap[in_])
        if data.shape[:1] != (channels,):
            what = f"values of shape {data.shape} after transposing, and {channels} channels to swap"
            raise ArgumentError(f"input '{in_}'", what, f"give an image of {channels} channels")

    def _check_mean(self, in_: str, data: Array, mean: Array) -> None:
        try:
            fits = np.broadcast_shapes(data.shape, mean.shape) == data.shape
        except ValueError:
            fits = False
        if not fits:
            what = f"a mean of shape {mean.shape} does not fit values of shape {data.shape}"
            raise ArgumentError(f"input '{in_}'", what, f"give values of the input's shape {self._shape(in_)}")


# Images

MOST_PIXELS = 50_000_000
"""Pixels that an image of somebody else may have, where nothing else is said: a small file can hold a huge image."""


def load_image(filename: PathLike, color: bool = True) -> Array:
    """The image of a file: float32 from 0 to 1, (height, width, 3) in RGB; if not ``color`` (height, width, 1), grey.

    Grey images are given three equal channels, transparency is left out. Raises MissingFileError, FileError, and
    CorruptFileError for a file that is not an image.
    """
    return decode_image(read_bytes(filename), str(filename), color)


def decode_image(data: bytes, where: str, color: bool = True, max_pixels: int | None = None) -> Array:
    """The image that the bytes of a file hold, as `load_image` gives it. Raises CorruptFileError at ``where``.

    Of more than ``max_pixels`` only the size is read: LimitError.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as opened:
            if max_pixels is not None and opened.width * opened.height > max_pixels:
                what = f"an image of {opened.width} x {opened.height} pixels"
                raise LimitError(where, what, f"send {max_pixels:,} pixels at most")
            img = _floats(opened)
    except UnidentifiedImageError:
        raise CorruptFileError(where, "this is not an image", "give a PNG or JPEG, for example") from None
    except Image.DecompressionBombError as error:
        if max_pixels is None:
            raise CorruptFileError(where, f"the image does not decode: {error}", "copy it again") from None
        raise LimitError(where, str(error), f"send {max_pixels:,} pixels at most") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise CorruptFileError(where, f"the image does not decode: {error}", "copy it again") from None
    if img.ndim == 2:
        return np.repeat(img[:, :, None], 3 if color else 1, axis=2)
    return img if color else (img @ GREY)[:, :, None]


def _floats(image: Any) -> Array:
    """The pixels of a Pillow image: (height, width) or (height, width, 3), float32 from 0 to 1."""
    if image.mode == "F":
        return np.asarray(image, np.float32)
    if image.mode.startswith("I"):  # one channel of 16 bits
        return np.asarray(image).astype(np.float32) / np.float32(65535)
    wanted = "L" if image.mode in ("1", "L") else "RGB"
    return np.asarray(image.convert(wanted)).astype(np.float32) / np.float32(255)


def resize_image(im: ArrayLike, new_dims: Sizes, interp_order: int = 1) -> Array:
    """An image (height, width, channels) of any scale at another (height, width), as float32.

    ``interp_order`` is the order of the interpolating splines: 0 nearest, 1 linear, 3 cubic. With 1 or 3 channels
    pixels are areas, as in pictures; with any other number they are points, and the first and last stay in place.
    Raises ArgumentError for shapes that make no image.
    """
    from scipy.ndimage import zoom

    image = np.asarray(im)
    height, width = (int(size) for size in new_dims)
    if image.ndim != 3 or not image.size or height < 1 or width < 1:
        what = f"cannot make an image of shape {image.shape} one of {tuple(new_dims)}"
        raise ArgumentError("resize_image", what, "give (height, width, channels) and (height, width)")
    if not 0 <= interp_order <= 5:
        raise ArgumentError("resize_image", f"there is no order {interp_order} of interpolation", "give 0 to 5")
    low, high = image.min(), image.max()
    out = np.empty((height, width, image.shape[2]), np.float32)
    if not high > low:  # one value everywhere
        out.fill(low)
        return out
    factors = (height / image.shape[0], width / image.shape[1])
    for channel in range(image.shape[2]):
        pixels = image[:, :, channel].astype(float)
        if image.shape[2] in (1, 3):
            unit = (pixels - low) / (float(high) - float(low))
            resized = np.clip(zoom(unit, factors, order=interp_order, mode="grid-constant", grid_mode=True), 0, 1)
            out[:, :, channel] = resized * (float(high) - float(low)) + low
        else:
            out[:, :, channel] = zoom(pixels, factors, order=interp_order)
    return out


def oversample(images: Sequence[Array], crop_dims: Sizes) -> Array:
    """Ten crops of each image (height, width, channels): four corners and the centre, then the five mirrored.

    ``crop_dims`` is (height, width). The result is (10 * images, height, width, channels), float32. The images are of
    one shape. Raises ArgumentError where they are not, or are smaller than the crops.
    """
    height, width = (int(size) for size in crop_dims)
    shapes = {np.shape(image) for image in images}
    shape = next(iter(shapes), (0, 0, 0))
    if len(shapes) != 1 or len(shape) != 3 or height > shape[0] or width > shape[1]:
        what = f"cannot take crops of {(height, width)} from images of {sorted(shapes)}"
        raise ArgumentError("oversample", what, "give images of one shape (height, width, channels), no smaller")
    down, right = shape[0] - height, shape[1] - width
    places = [(0, 0), (0, right), (down, 0), (down, right), (int(down / 2), int(right / 2))]
    crops = np.empty((len(images), 10, height, width, shape[2]), np.float32)
    for image, out in zip(images, crops, strict=True):
        for crop, (top, left) in zip(out, places, strict=False):
            crop[...] = image[top : top + height, left : left + width]
    crops[:, 5:] = crops[:, :5, :, ::-1]
    return crops.reshape(-1, height, width, shape[2])


def __getattr__(name: str) -> Any:
    """``caffe.io.caffe_pb2``: scripts reach the messages this way."""
    if name == "caffe_pb2":
        return importlib.import_module("caffe_sdk.proto.caffe_pb2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
