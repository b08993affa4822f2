"""MATLAB's values as NumPy's, and back.

A MATLAB array [W H C N] in column order and a NumPy array (N, C, H, W) in row order are the same run of numbers: the
axes' names are read in the other direction, nothing is moved.

================= ======================= =====================================================================
MATLAB            to Python               from Python
================= ======================= =====================================================================
numeric, logical  array, axes reversed    array, axes reversed; (n,) is n x 1 and () is 1 x 1
1 x n double      array (n, 1)            tuple of numbers (a shape)
scalar            array (1, 1)            bool, int, float
[] (0 x 0 double) array (0, 0)            None
char              str                     str
n x 1 cellstr     list of str             list of str
cell              list, column order      list (n x 1)
scalar struct     dict                    dict
================= ======================= =====================================================================

One value is encoded as ``class uint8 | number of dimensions uint8 | dimensions uint32... | data``; `_Class` has the
data of each class. A numeric array above `LARGE` bytes is left out and put in a .mat file beside the frame
(`exchange`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_sdk.errors import ArgumentError, BridgeError

Array = NDArray[Any]

LARGE = 1 << 16
CHUNK = 1 << 30  # .mat version 6 holds less than 2 GB in one variable
_MAX_DEPTH = 16
_IN_FILE = 0x80

NUMERIC = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")
"""Codes 0 to 10: double, single, int8, uint8, int16, ..., uint64, logical. Data: the numbers in column order, or with
the bit _IN_FILE two uint32: which of the file's variables is the first (from 0), and how many follow one another."""


class _Class(IntEnum):
    """What is not numeric."""

    CHAR = 32  # dimensions: bytes of UTF-8
    STRINGS = 33  # dimensions: strings, bytes of UTF-8 with a NUL between strings
    CELL = 34  # dimensions: elements, which follow one another
    STRUCT = 35  # dimensions: fields, each its name as CHAR and its value


# ---------------------------------------------------------------------------------------------------- to the client


def encode(value: Any, large: int = LARGE, chunk: int = CHUNK) -> tuple[bytes, list[Array]]:
    """A value in bytes, and the arrays above ``large`` bytes, which go in a file, in pieces of ``chunk`` bytes.

    Raises ArgumentError for what has no class in MATLAB.
    """
    encoder = _Encoder(large, chunk)
    encoder.value(value)
    return bytes(encoder.out), encoder.pieces


class _Encoder:
    """Appends values to ``out`` and what belongs in the file to ``pieces``."""

    def __init__(self, large: int, chunk: int) -> None:
        self.large, self.chunk = large, chunk
        self.out = bytearray()
        self.pieces: list[Array] = []

    def value(self, value: Any) -> None:
        if value is None:
            self.numbers(np.empty(0), (0, 0))
        elif isinstance(value, bool):
            self.numbers(np.array(value), (1, 1))
        elif isinstance(value, (int, float)):
            self.numbers(np.array(value, "f8"), (1, 1))
        elif isinstance(value, tuple):
            self.numbers(np.array(value, "f8"), (1, len(value)))
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, list):
            self.items(value)
        elif isinstance(value, dict):
            self.head(_Class.STRUCT, len(value))
            for name, field in value.items():
                self.text(name)
                self.value(field)
        elif isinstance(value, (np.ndarray, np.generic)):
            dimensions = value.shape[::-1]
            self.numbers(np.asarray(value), dimensions + (1,) * (2 - len(dimensions)))
        else:
            raise ArgumentError("", f"a {type(value).__name__} has no class in MATLAB", "give numbers, text or lists")

    def head(self, code: int, *dimensions: int) -> None:
        self.out += struct.pack(f"<BB{len(dimensions)}I", code, len(dimensions), *dimensions)

    def text(self, value: str) -> None:
        data = value.encode("utf-8", "replace")
        self.head(_Class.CHAR, len(data))
        self.out += data

    def items(self, items: list[Any]) -> None:
        if all(isinstance(item, str) and "\0" not in item for item in items):
            data = "\0".join(items).encode("utf-8", "replace")
            self.head(_Class.STRINGS, len(items), len(data))
            self.out += data
        else:
            self.head(_Class.CELL, len(items))
            for item in items:
                self.value(item)

    def numbers(self, array: Array, dimensions: tuple[int, ...]) -> None:
        """``array`` in row order is an array of these ``dimensions`` in column order."""
        code = numeric_code(array.dtype)
        array = np.ascontiguousarray(array, dtype=NUMERIC[code])
        if array.nbytes <= self.large:
            self.head(code, *dimensions)
            self.out += array.tobytes()
            return
        step = max(1, self.chunk // array.itemsize)
        flat = array.reshape(-1)
        parts = [flat[start : start + step] for start in range(0, flat.size, step)]
        self.head(code | _IN_FILE, *dimensions)
        self.out += struct.pack("<II", len(self.pieces), len(parts))
        self.pieces += parts


def numeric_code(dtype: np.dtype[Any]) -> int:
    """The place of a type in `NUMERIC`. Raises ArgumentError for one that MATLAB does not have."""
    name = "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
    if name not in NUMERIC:
        raise ArgumentError("", f"numbers of type {dtype} have no class in MATLAB", "convert them to float32")
    return NUMERIC.index(name)


# -------------------------------------------------------------------------------------------------- from the client


def decode(data: bytes, pieces: Sequence[Array] = ()) -> Any:
    """The value in ``data``; ``pieces`` are the arrays of the file beside it. Raises BridgeError for anything else."""
    try:
        value, end = _decode(memoryview(data), 0, pieces, _MAX_DEPTH)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise BridgeError("value", f"cannot be decoded: {error}") from error
    if end != len(data):
        raise BridgeError("value", f"ends after {end} of {len(data)} bytes")
    return value


def _decode(data: memoryview, at: int, pieces: Sequence[Array], depth: int) -> tuple[Any, int]:
    """The value at a position, and the position behind it."""
    code, count = struct.unpack_from("<BB", data, at)
    dimensions = struct.unpack_from(f"<{count}I", data, at + 2)
    at += 2 + 4 * count
    if code & _IN_FILE:
        return _from_pieces(data, at, code, dimensions, pieces), at + 8
    if code < len(NUMERIC):
        numbers = np.frombuffer(data, NUMERIC[code], math.prod(dimensions), at)
        return numbers.reshape(dimensions[::-1]), at + numbers.nbytes
    kind = _Class(code)
    if kind in (_Class.CHAR, _Class.STRINGS):
        length = dimensions[-1]
        text = str(data[at : at + length], "utf-8", "replace")
        if at + length > len(data):
            raise ValueError(f"text of {length} bytes is cut short")
        if kind is _Class.CHAR:
            return text, at + length
        return text.split("\0") if dimensions[0] else [], at + length
    if not depth:
        raise ValueError(f"more than {_MAX_DEPTH} cells inside one another")
    if kind is _Class.CELL:
        items = []
        for _ in range(dimensions[0]):
            item, at = _decode(data, at, pieces, depth - 1)
            items.append(item)
        return items, at
    fields = {}
    for _ in range(dimensions[0]):
        name, at = _decode(data, at, pieces, depth - 1)
        fields[str(name)], at = _decode(data, at, pieces, depth - 1)
    return fields, at


def _from_pieces(data: memoryview, at: int, code: int, shape: tuple[int, ...], pieces: Sequence[Array]) -> Array:
    first, count = struct.unpack_from("<II", data, at)
    dtype = np.dtype(NUMERIC[code & ~_IN_FILE])
    if not count or first + count > len(pieces):
        raise ValueError(f"arrays {first} to {first + count - 1} of {len(pieces)}")
    flat = [piece.reshape(-1) for piece in pieces[first : first + count]]
    whole = flat[0] if count == 1 else np.concatenate(flat)
    return whole.reshape(shape[::-1]).astype(dtype, copy=False)
