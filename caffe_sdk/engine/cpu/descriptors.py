"""Memory descriptors: how numbers lie in memory, as values that can be compared and be keys."""

from __future__ import annotations

import ctypes
import functools
import math
from ctypes import c_int, c_int64, c_void_p
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu.library import MAX_AXES, Unsupported, axes, library
from caffe_sdk.memory import Shape

DTYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): 3,
    np.dtype(np.int32): 4,
    np.dtype(np.int8): 5,
    np.dtype(np.uint8): 6,
}
"""dnnl_data_type_t of NumPy's types."""
NUMPY_DTYPES = {code: dtype for dtype, code in DTYPES.items()}

ANY = 1  # dnnl_format_tag_any, and also dnnl_format_kind_any
FLOAT32 = np.dtype(np.float32)

# dnnl_query_t of what a descriptor tells about itself
_NDIMS, _DIMS, _DTYPE, _OFFSET, _PADDED_DIMS, _FORMAT_KIND = 256, 257, 258, 259, 260, 262
_BLOCK_COUNT, _BLOCKS, _BLOCK_AXES, _STRIDES = 263, 264, 265, 14

Key = tuple[Any, ...]


class Descriptor:
    """Axes, type, and the place in memory of each number: strides, and blocks of axes that lie innermost.

    Two descriptors are equal when the same bytes mean the same numbers. The handle lives as long as the object.
    """

    __slots__ = ("_destroy", "dims", "dtype", "handle", "key", "nbytes")

    def __init__(self, handle: int) -> None:
        """Takes over a descriptor of oneDNN's."""
        dnnl = library().dnnl
        self._destroy = dnnl.dnnl_memory_desc_destroy
        self.handle = handle
        axes = _number(handle, _NDIMS)
        self.dims: Shape = _numbers(handle, _DIMS, axes)
        self.dtype = NUMPY_DTYPES[_number(handle, _DTYPE)]
        self.nbytes: int = dnnl.dnnl_memory_desc_get_size(handle)
        self.key: Key = (self.dims, self.dtype.str, *_format(handle, axes))

    def __del__(self) -> None:
        self._destroy(self.handle)

    @property
    def padded(self) -> bool:
        """Whether there is room that belongs to no number."""
        return self.nbytes > math.prod(self.dims) * self.dtype.itemsize

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descriptor) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Descriptor{self.key}"


def copied(handle: int) -> Descriptor | None:
    """A copy of a descriptor that belongs to a primitive descriptor; None for one without axes (it is not used)."""
    if not handle or not _number(handle, _NDIMS):
        return None
    return Descriptor(library().make("dnnl_memory_desc_clone", handle))


def any_layout(dims: Shape) -> Descriptor:
    """float32 numbers in whatever layout the primitive likes best."""
    return Descriptor(
        library().make("dnnl_memory_desc_create_with_tag", _axes_of(dims), axes(dims), DTYPES[FLOAT32], ANY)
    )


def strided(dims: Shape, strides: Shape, dtype: np.dtype[Any] = FLOAT32) -> Descriptor:
    """Numbers at the given distances, counted in numbers."""
    arguments = (_axes_of(dims), axes(dims), DTYPES[dtype], axes(strides))
    return Descriptor(library().make("dnnl_memory_desc_create_with_strides", *arguments))


@functools.lru_cache(maxsize=256)
def plain(dims: Shape, dtype: np.dtype[Any] = FLOAT32) -> Descriptor:
    """Row-major numbers, as NumPy has them."""
    strides = [1]
    for size in reversed(dims[1:]):
        strides.append(strides[-1] * size)
    return strided(dims, tuple(reversed(strides)), dtype)


@functools.lru_cache(maxsize=256)
def tagged(dims: Shape, tag: str) -> Descriptor:
    """float32 numbers in the order of axes and blocks that a tag of oneDNN's names, as 'aBcd16b'."""
    arguments = (_axes_of(dims), axes(dims), DTYPES[FLOAT32], tag.encode())
    return Descriptor(library().make("dnnl_memory_desc_create_with_string_tag", *arguments))


def part(whole: Descriptor, dims: Shape, offsets: Shape) -> Descriptor:
    """Numbers that are part of others: those from ``offsets`` on. Unsupported where that cuts through a block."""
    arguments = (whole.handle, axes(dims), axes(offsets))
    return Descriptor(library().make("dnnl_memory_desc_create_submemory", *arguments))


def alike(other: Descriptor, dims: Shape, dtype: np.dtype[Any] | None = None) -> Descriptor:
    """Numbers of other sizes, or of another type, in the same order of axes and the same blocks."""
    blocks, block_axes = other.key[-2:]
    strides = _numbers(other.handle, _STRIDES, len(dims))
    order = sorted(range(len(dims)), key=lambda axis: (-strides[axis], axis))
    letters = [chr(ord("A" if axis in block_axes else "a") + axis) for axis in order]
    letters += [f"{block}{chr(ord('a') + axis)}" for block, axis in zip(blocks, block_axes, strict=True)]
    arguments = (_axes_of(dims), axes(dims), DTYPES[dtype or other.dtype], "".join(letters).encode())
    return Descriptor(library().make("dnnl_memory_desc_create_with_string_tag", *arguments))


def slabs(whole: Descriptor) -> int:
    """Into how many parts of equal size along the first axis numbers can be cut that follow each other in memory.

    1 where the first axis is not the outermost, or where there is padding.
    """
    start, padded, strides, blocks, block_axes = whole.key[2:]
    if start or whole.padded or padded != whole.dims:
        return 1
    count = whole.dims[0] // math.prod(b for b, axis in zip(blocks, block_axes, strict=True) if axis == 0)
    return count if count * strides[0] == math.prod(whole.dims) else 1


def _axes_of(dims: Shape) -> int:
    if not 0 < len(dims) <= MAX_AXES or 0 in dims:
        raise Unsupported("oneDNN", f"shape {dims} has no or too many axes, or no values")
    return len(dims)


def _format(handle: int, axes: int) -> Key:
    """Where it begins, padded sizes, strides (0 of an axis never stepped along) and blocks; () for any layout."""
    if _number(handle, _FORMAT_KIND) == ANY:
        return ()
    start = c_int64()
    library().call("dnnl_memory_desc_query", handle, _OFFSET, ctypes.byref(start))
    padded = _numbers(handle, _PADDED_DIMS, axes)
    count = _number(handle, _BLOCK_COUNT)
    blocks, block_axes = _numbers(handle, _BLOCKS, count), _numbers(handle, _BLOCK_AXES, count)
    steps = list(padded)
    for block, axis in zip(blocks, block_axes, strict=True):
        steps[axis] //= block
    strides = _numbers(handle, _STRIDES, axes)
    return (
        start.value,
        padded,
        tuple(s if n > 1 else 0 for s, n in zip(strides, steps, strict=True)),
        blocks,
        block_axes,
    )


def _number(handle: int, what: int) -> int:
    value = c_int()
    library().call("dnnl_memory_desc_query", handle, what, ctypes.byref(value))
    return value.value


def _numbers(handle: int, what: int, count: int) -> Shape:
    pointer = c_void_p()
    library().call("dnnl_memory_desc_query", handle, what, ctypes.byref(pointer))
    return tuple(ctypes.cast(pointer, ctypes.POINTER(c_int64))[:count])
