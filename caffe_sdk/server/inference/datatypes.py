"""The protocol's types of tensors, and their values as bytes, as messages' fields, and as JSON.

A tensor's values are a NumPy array; those of BYTES are a list of byte strings, row by row.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array

Values = Array | list[bytes]

MOST_AXES = 32
"""As many as a Caffe blob has."""


@dataclass(frozen=True)
class DataType:
    """A type of the protocol's numbers."""

    dtype: np.dtype[Any]
    """How a number lies in raw contents: little-endian."""
    field: str
    """Where InferTensorContents has these numbers; "" for types that travel as raw contents only."""


NUMBERS = {
    "BOOL": DataType(np.dtype("?"), "bool_contents"),
    "UINT8": DataType(np.dtype("u1"), "uint_contents"),
    "UINT16": DataType(np.dtype("<u2"), "uint_contents"),
    "UINT32": DataType(np.dtype("<u4"), "uint_contents"),
    "UINT64": DataType(np.dtype("<u8"), "uint64_contents"),
    "INT8": DataType(np.dtype("i1"), "int_contents"),
    "INT16": DataType(np.dtype("<i2"), "int_contents"),
    "INT32": DataType(np.dtype("<i4"), "int_contents"),
    "INT64": DataType(np.dtype("<i8"), "int64_contents"),
    "FP16": DataType(np.dtype("<f2"), ""),
    "FP32": DataType(np.dtype("<f4"), "fp32_contents"),
    "FP64": DataType(np.dtype("<f8"), "fp64_contents"),
    "BF16": DataType(np.dtype("<u2"), ""),  # the upper half of an FP32
}
CONTENTS = {
    "bool_contents": "?",
    "int_contents": "<i4",
    "int64_contents": "<i8",
    "uint_contents": "<u4",
    "uint64_contents": "<u8",
    "fp32_contents": "<f4",
    "fp64_contents": "<f8",
}
"""What the fields of InferTensorContents hold."""

FIELDS = {**{name: kind.field for name, kind in NUMBERS.items()}, "BYTES": "bytes_contents"}


def from_raw(datatype: str, shape: Sequence[int], data: bytes | memoryview, where: str) -> Values:
    """The values of a tensor from its bytes; an array sees the bytes themselves and cannot be written.

    Raises ArgumentError for an unknown type, sizes below 0, and bytes that are not as many as the shape says.
    """
    count = _count(datatype, shape, where)
    if datatype == "BYTES":
        return _unpack(data, count, where)
    dtype = NUMBERS[datatype].dtype
    if len(data) != count * dtype.itemsize:
        what = f"{len(data)} bytes for shape {list(shape)} of {datatype}"
        raise ArgumentError(where, what, f"give {count * dtype.itemsize}")
    return _widened(datatype, np.frombuffer(data, dtype)).reshape(shape)


def from_contents(datatype: str, shape: Sequence[int], contents: Any, where: str) -> Values:
    """The values of a tensor from an InferTensorContents message. Raises ArgumentError as `from_raw` does."""
    count = _count(datatype, shape, where)
    if not FIELDS[datatype]:
        raise ArgumentError(where, f"{datatype} has no field in contents", "send it in raw_input_contents")
    values = getattr(contents, FIELDS[datatype])
    if len(values) != count:
        what = f"{len(values)} values in {FIELDS[datatype]} for shape {list(shape)}"
        raise ArgumentError(where, what, f"give {count} there, or all tensors in raw_input_contents")
    if datatype == "BYTES":
        return list(values)
    return _numbers(datatype, np.array(values, CONTENTS[FIELDS[datatype]]), where).reshape(shape)


def from_json(datatype: str, shape: Sequence[int], data: object, where: str) -> Values:
    """The values of a tensor from JSON: a list, flat or of lists. Strings become UTF-8. ArgumentError as above."""
    count = _count(datatype, shape, where)
    if not isinstance(data, list):
        raise ArgumentError(where, "its data is no list", "give the values in a list, row by row")
    if datatype == "BYTES":
        values: Values = [_encoded(text, where) for text in _flat(data)]
    else:
        values = _numbers(datatype, _array(datatype, data, where).reshape(-1), where)
    if len(values) != count:
        raise ArgumentError(where, f"{len(values)} values for shape {list(shape)}", f"give {count}")
    return values if isinstance(values, list) else values.reshape(shape)


def to_raw(values: Values) -> bytes | memoryview:
    """The bytes of a tensor of FP32 or BYTES, which is all that is ever answered; those of an array are not copied."""
    if isinstance(values, list):
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    return np.ascontiguousarray(values, "<f4").reshape(-1).view("u1").data


def to_json(values: Values) -> list[Any]:
    """A tensor of FP32 or BYTES for JSON, flat. Bytes that are no UTF-8 cannot be told in JSON and are marked."""
    if isinstance(values, list):
        return [value.decode(errors="replace") for value in values]
    flat: list[Any] = values.reshape(-1).tolist()
    return flat


def _count(datatype: str, shape: Sequence[int], where: str) -> int:
    """How many values a tensor has; in Python's numbers, which no shape is too large for."""
    if datatype not in FIELDS:
        raise ArgumentError(where, f"there is no datatype '{datatype[:40]}'", f"use one of {', '.join(FIELDS)}")
    if len(shape) > MOST_AXES:
        raise ArgumentError(where, f"the shape has {len(shape)} axes", f"give at most {MOST_AXES}")
    if any(size < 0 for size in shape):
        raise ArgumentError(where, f"the shape is {list(shape)}", "give sizes of 0 or more")
    return math.prod(shape)


def _unpack(data: bytes | memoryview, count: int, where: str) -> list[bytes]:
    """Byte strings, each preceded by its length."""
    values, place = [], 0
    while place + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, place)
        values.append(bytes(data[place + 4 : place + 4 + length]))
        place += 4 + length
    if place != len(data):
        what = f"the bytes end within value {len(values) if place < len(data) else len(values) - 1}"
        raise ArgumentError(where, what, "put the length as four little-endian bytes before each value")
    if len(values) != count:
        raise ArgumentError(where, f"{len(values)} values in the bytes for {count} in the shape", "make them as many")
    return values


def _widened(datatype: str, numbers: Array) -> Array:
    """BF16 as FP32, any byte of BOOL but 0 as true, everything else as it is."""
    if datatype == "BF16":
        return (numbers.astype("<u4") << 16).view("<f4")
    return numbers.view("u1") != 0 if datatype == "BOOL" else numbers


def _numbers(datatype: str, given: Array, where: str) -> Array:
    """Numbers of a type's own dtype; no number may change on the way, apart from rounding of fractions."""
    wanted = np.dtype("<f4") if datatype == "BF16" else NUMBERS[datatype].dtype
    if given.size == 0:
        return given.astype(wanted)
    if given.dtype.kind not in {"f": "fiu", "b": "b"}.get(wanted.kind, "iu"):
        raise ArgumentError(where, f"values that are no numbers of {datatype}", "give numbers of the type it names")
    if wanted.kind in "iu":
        least, most = np.iinfo(wanted).min, np.iinfo(wanted).max
        if int(given.min()) < least or int(given.max()) > most:
            what = f"values from {given.min()} to {given.max()}"
            raise ArgumentError(where, what, f"{datatype} goes from {least} to {most}")
    with np.errstate(over="ignore"):  # a number beyond the type becomes infinite, as it would in C
        return given.astype(wanted, copy=False)


def _array(datatype: str, data: list[object], where: str) -> Array:
    try:
        if datatype != "UINT64":
            return np.asarray(data)
        flat = _flat(data)  # NumPy makes floats of large numbers that stand beside small ones
        whole = all(type(number) is int and number >= 0 for number in flat)
        return np.array(flat, "<u8" if whole else None)
    except (ValueError, OverflowError):
        raise ArgumentError(where, "no numbers, or lists of different lengths", "give the values row by row") from None


def _flat(data: list[object]) -> list[object]:
    """What is in a list and the lists in it, in order."""
    flat, rest = [], list(reversed(data))
    while rest:
        item = rest.pop()
        if isinstance(item, list):
            rest.extend(reversed(item))
        else:
            flat.append(item)
    return flat


def _encoded(text: object, where: str) -> bytes:
    if not isinstance(text, str):
        raise ArgumentError(where, f"a value of BYTES is {text!r:.40}", "give text, or binary data")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ArgumentError(where, "a value of BYTES is no Unicode text", "give binary data") from None
