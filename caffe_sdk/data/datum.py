"""Datum, the record of Caffe's databases, read without copying and written by hand.

A record is the bytes of one ``Datum`` message. Parsing walks the wire and leaves the pixels where they are: the array
of a record is a view of those bytes. (A generated message class would copy the pixels and, for ``float_data``, visit
every number.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.errors import ArgumentError, DataError

Buffer = bytes | bytearray | memoryview
Pixels = npt.NDArray[Any]  # uint8 or float32, (channels, height, width)
Labels = npt.NDArray[np.float32]

CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED = range(1, 8)
LABELS = 1001  # our own field
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class Record:
    """One example of a data source.

    ``array`` is (channels, height, width), uint8 or float32, a read-only view of the record's bytes; None while the
    record is an ``encoded`` image, or one that ``load`` makes, whose ``shape`` is then only known after decoding and is
    what the Datum says, often (0, 0, 0). ``label`` is a number, or an array (labels,). ``index`` counts from the start
    of the stream, through all restarts and over all ranks; ``key`` names the record in errors.
    """

    shape: tuple[int, int, int]
    array: Pixels | None
    label: float | Labels
    encoded: Buffer | None = None
    key: bytes = b""
    index: int = 0
    load: Callable[[], Pixels] | None = None


def parse(data: Buffer) -> Record:
    """The record held in the bytes of a Datum.

    ``labels``, a field of our own, stand in for ``label``. As in Caffe the pixels are ``data`` when it has any bytes,
    else ``float_data`` (packed or not), and a field that comes twice counts the last time. Raises DataError where the
    bytes are no Datum or hold another number of pixels than channels * height * width; the caller adds source and key
    with ``error.at``.
    """
    shape = [0, 0, 0]
    label: float | Labels = 0
    is_encoded = False
    start = stop = 0
    floats: list[npt.NDArray[np.float32]] = []
    for number, wire, value, begin, end in fields(data):
        if wire == VARINT:
            if number <= WIDTH:
                shape[number - 1] = signed32(value)
            elif number == LABEL:
                label = signed32(value)
            elif number == ENCODED:
                is_encoded = value != 0
        elif number == DATA and wire == LENGTH:
            start, stop = begin, end
        elif number == FLOAT_DATA:
            floats.append(_floats(data, wire, begin, end))
        elif number == LABELS and wire == LENGTH:
            label = _floats(data, wire, begin, end)
    dims = (shape[0], shape[1], shape[2])
    if is_encoded:
        if start == stop:
            raise DataError("Datum", "is marked as encoded but holds no image bytes")
        return Record(dims, None, label, encoded=memoryview(data)[start:stop])
    return Record(dims, _pixels(data, dims, start, stop, floats), label)


def _pixels(
    data: Buffer, shape: tuple[int, int, int], start: int, stop: int, floats: list[npt.NDArray[np.float32]]
) -> Pixels:
    """The view (or, for float_data in pieces, the copy) of the pixels, checked against the shape."""
    array: Pixels
    if stop > start:
        array = np.frombuffer(data, np.uint8, stop - start, start)
    elif floats:
        array = floats[0] if len(floats) == 1 else np.concatenate(floats)
    else:
        raise DataError("Datum", "holds neither data nor float_data")
    if min(shape) <= 0 or math.prod(shape) != array.size:
        size = " x ".join(map(str, shape))
        raise DataError("Datum", f"holds {array.size} values", f"channels x height x width = {size} must be as many")
    return array.reshape(shape)


def _floats(data: Buffer, wire: int, begin: int, end: int) -> npt.NDArray[np.float32]:
    if wire == LENGTH:
        if (end - begin) % 4:
            raise DataError("Datum", f"has {end - begin} bytes of float_data", "must be a multiple of 4")
        return np.frombuffer(data, "<f4", (end - begin) // 4, begin).astype(np.float32, copy=False)
    if wire == FIXED32:  # a run of (tag, float) pairs
        pairs = np.frombuffer(data, np.uint8, end - begin, begin).reshape(-1, 5)
        return np.ascontiguousarray(pairs[:, 1:]).view("<f4").ravel().astype(np.float32, copy=False)
    raise DataError("Datum", f"has float_data of wire type {wire}", "float_data is packed (2) or fixed32 (5)")


def fields(data: Buffer) -> Iterator[tuple[int, int, int, int, int]]:
    """Each field of a message: (number, wire type, value of a varint, begin, end of the payload).

    A run of unpacked ``float_data`` is given as one field, its tags included. Raises DataError where the bytes break
    off.
    """
    position, size = 0, len(data)
    while position < size:
        at = position
        tag, position = _varint(data, position, size)
        number, wire, value = tag >> 3, tag & 7, 0
        begin = position
        if wire == VARINT:
            value, position = _varint(data, position, size)
        elif wire == LENGTH:
            length, begin = _varint(data, position, size)
            position = begin + length
        elif wire == FIXED32 and number == FLOAT_DATA:
            begin, position = at, at + _float_run(data, at)
        elif wire == FIXED32:
            position += 4
        elif wire == FIXED64:
            position += 8
        else:
            raise DataError("Datum", f"byte {at} has wire type {wire}", "these bytes are no Datum message")
        if position > size or number == 0:
            what = f"field {number} at byte {at} ends beyond the {size} bytes"
            raise DataError("Datum", what, "the record is cut short or no Datum")
        yield number, wire, value, begin, position


def _float_run(data: Buffer, at: int) -> int:
    """How many bytes of (tag, float) pairs stand at ``at``; 5 at least, so that a cut pair shows as running over."""
    pairs = (len(data) - at) // 5
    tags = np.frombuffer(data, np.uint8, pairs * 5, at)[::5] != data[at]
    return 5 * max(1, int(tags.argmax()) if tags.any() else pairs)


def _varint(data: Buffer, position: int, size: int) -> tuple[int, int]:
    value = shift = 0
    while position < size and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DataError("Datum", f"a number is not complete at byte {position}", "the record is cut short or no Datum")


def signed32(value: int) -> int:
    """An int32 field from its varint, which carries negative numbers as 64 bits in two's complement."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def encode(array: Pixels, label: int | Labels, encoded: bool | None = None) -> bytes:
    """The bytes of a Datum for pixels (channels, height, width): ``data`` for uint8, packed ``float_data`` for float32.

    Field for field what Caffe's tools write, but that they do not pack numbers. ``encoded=False`` adds that flag, as
    convert_imageset does and convert_mnist_data does not. Raises ArgumentError for other shapes or types, or a label
    that is no int32. An array of ``label`` is written as our own field ``labels``, at the end, which Caffe passes over.
    """
    if array.ndim != 3 or array.size == 0:
        raise ArgumentError("Datum", f"pixels of shape {array.shape}", "give (channels, height, width), none of them 0")
    head = b"".join(_field(number, size) for number, size in zip((CHANNELS, HEIGHT, WIDTH), array.shape, strict=True))
    flag = b"" if encoded is None else _field(ENCODED, int(encoded))
    if array.dtype == np.uint8:
        return head + _bytes_field(DATA, array.tobytes()) + _label(label) + flag + _labels(label)
    if array.dtype == np.float32:
        floats = _bytes_field(FLOAT_DATA, array.astype("<f4", copy=False).tobytes())
        return head + _label(label) + floats + flag + _labels(label)
    raise ArgumentError("Datum", f"pixels of type {array.dtype}", "give uint8 or float32")


def encode_features(values: npt.NDArray[np.float32]) -> bytes:
    """The bytes of a Datum without a label for features (channels, height, width), as extract_features writes them.

    ``float_data`` is not packed: every number has a tag of its own.
    """
    head = b"".join(_field(number, size) for number, size in zip((CHANNELS, HEIGHT, WIDTH), values.shape, strict=True))
    pairs = np.empty((values.size, 5), np.uint8)
    pairs[:, 0] = FLOAT_DATA << 3 | FIXED32
    pairs[:, 1:] = np.ascontiguousarray(values, "<f4").reshape(-1, 1).view(np.uint8)
    return head + pairs.tobytes()


def encode_image(image: bytes, label: int | Labels) -> bytes:
    """The bytes of a Datum for a PNG or JPEG file kept as it is: ``data``, ``label`` and the flag ``encoded``."""
    return _bytes_field(DATA, image) + _label(label) + _field(ENCODED, 1) + _labels(label)


def _labels(label: int | Labels) -> bytes:
    return _bytes_field(LABELS, label.astype("<f4").tobytes()) if isinstance(label, np.ndarray) else b""


def _label(label: int | Labels) -> bytes:
    if isinstance(label, np.ndarray):
        return b""
    if not -(2**31) <= label < 2**31:
        raise ArgumentError("Datum", f"label {label}", "a label is a 32-bit integer")
    return _field(LABEL, label)


def _field(number: int, value: int) -> bytes:
    return bytes([number << 3 | VARINT]) + _pack_varint(value & 0xFFFFFFFFFFFFFFFF)


def _bytes_field(number: int, payload: bytes) -> bytes:
    return _pack_varint(number << 3 | LENGTH) + _pack_varint(len(payload)) + payload


def _pack_varint(value: int) -> bytes:
    packed = bytearray()
    while value >= 0x80:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)
