"""Blob: a shape with two memories, ``data`` (values) and ``diff`` (gradients), as Caffe has it."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk import preview
from caffe_sdk.errors import DeviceError, ShapeError
from caffe_sdk.memory import HOST, Array, Shape, SyncedMemory, Tensor

MAX_AXES = 32  # Caffe's kMaxBlobAxes
MAX_COUNT = 2**31 - 1  # Caffe counts in a 32-bit int

_changes = itertools.count(1)
_latest_change = 0


def structure() -> int:
    """A number that is another one whenever any blob took another shape or memory: time to look at one's blobs."""
    return _latest_change


def _changed() -> None:
    global _latest_change
    _latest_change = next(_changes)


def check_shape(shape: Iterable[Any], where: str) -> Shape:
    """A tuple of non-negative ints within Caffe's limits, or ShapeError."""
    dims = list(shape)
    try:
        checked = tuple(operator.index(d) for d in dims)
    except TypeError:
        raise ShapeError(where, f"shape {dims} has axes that are not whole numbers", "give integers") from None
    if any(d < 0 for d in checked):
        raise ShapeError(where, f"shape {checked} has a negative axis", "give axes of 0 or more")
    if len(checked) > MAX_AXES:
        raise ShapeError(where, f"shape has {len(checked)} axes", f"use at most {MAX_AXES}")
    if math.prod(d or 1 for d in checked) > MAX_COUNT:  # an empty batch of such items is no better
        raise ShapeError(where, f"shape {checked} has {math.prod(checked)} values", f"use at most {MAX_COUNT}")
    return checked


class Blob:
    """N-dimensional values and their gradients.

    ``data`` and ``diff`` are writable NumPy views in the blob's shape; they stay valid, and show what is computed
    later, for as long as they are held. A blob may share either memory with another blob.
    """

    def __init__(self, shape: Iterable[int] = (), dtype: npt.DTypeLike = np.float32, name: str = "") -> None:
        self.name = name
        self._shape: Shape = check_shape(shape, self._where)
        self.data_memory = SyncedMemory(self.count, dtype)
        self.diff_memory = SyncedMemory(self.count, dtype)

    @property
    def _where(self) -> str:
        return f"blob '{self.name}'" if self.name else "blob"

    @property
    def shape(self) -> Shape:
        """The axes' sizes."""
        return self._shape

    @property
    def count(self) -> int:
        """Number of values: the product of the shape."""
        return math.prod(self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of values and gradients."""
        return self.data_memory.dtype

    @property
    def data(self) -> Array:
        """The values, a writable view in the blob's shape."""
        return self.data_memory.view()[: self.count].reshape(self._shape)

    @property
    def diff(self) -> Array:
        """The gradients, a writable view in the blob's shape."""
        return self.diff_memory.view()[: self.count].reshape(self._shape)

    @property
    def data_tensor(self) -> Tensor:
        """The values as engines take them."""
        return Tensor(self.data_memory, self._shape)

    @property
    def diff_tensor(self) -> Tensor:
        """The gradients as engines take them."""
        return Tensor(self.diff_memory, self._shape)

    def reshape(self, *shape: int) -> None:
        """Take another shape. Values are kept when the count stays the same, and are zeros otherwise."""
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            shape = tuple(shape[0])
        checked = check_shape(shape, self._where)
        if checked == self._shape:
            return
        if math.prod(checked) != self.count:
            dtype = self.dtype
            self.data_memory = SyncedMemory(math.prod(checked), dtype)
            self.diff_memory = SyncedMemory(math.prod(checked), dtype)
        self._shape = checked
        _changed()

    def share_data(self, other: Blob) -> None:
        """Use another blob's values; counts must agree."""
        self._check_count(other)
        if self.data_memory is not other.data_memory:
            self.data_memory = other.data_memory
            _changed()

    def share_diff(self, other: Blob) -> None:
        """Use another blob's gradients; counts must agree."""
        self._check_count(other)
        if self.diff_memory is not other.diff_memory:
            self.diff_memory = other.diff_memory
            _changed()

    def _check_count(self, other: Blob) -> None:
        if other.count != self.count:
            raise ShapeError(
                self._where,
                f"cannot share {other.count} values of shape {other.shape} as shape {self.shape}",
                "share blobs of equal count",
            )

    # Caffe's four fixed axes: num, channels, height, width. Absent axes count 1; more than four are an error.
    def _legacy(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise ShapeError(
                self._where,
                f"has {len(self._shape)} axes; num, channels, height and width exist up to 4",
                "use shape",
            )
        return self._shape[axis] if axis < len(self._shape) else 1

    @property
    def num(self) -> int:
        """The size of axis 0."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """The size of axis 1."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """The size of axis 2."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """The size of axis 3."""
        return self._legacy(3)

    @property
    def _gpu_data_ptr(self) -> int:
        """As in pycaffe the address of the values on a GPU. Raises DeviceError: blobs do not show it."""
        raise self._no_gpu()

    @property
    def _gpu_diff_ptr(self) -> int:
        """As in pycaffe the address of the gradients on a GPU. Raises DeviceError: blobs do not show it."""
        raise self._no_gpu()

    def _no_gpu(self) -> DeviceError:
        return DeviceError(self._where, "shows no addresses of GPUs", "use data and diff")

    def _repr_html_(self) -> str:
        """What notebooks show: shape and range, and a sheet of the first pictures if it holds maps or images."""
        shown = preview.to_html(repr(self), self.data_memory.read(HOST)[: self.count].reshape(self._shape))
        if self.diff_memory.is_zero:
            return shown
        return f"{shown}\n<div>gradients: {preview.to_words(self.diff_memory.read(HOST)[: self.count])}</div>"

    def __repr__(self) -> str:
        shape = " ".join(map(str, self._shape)) or "scalar"
        return f"<Blob {self.name!r} {shape} ({self.count})>" if self.name else f"<Blob {shape} ({self.count})>"
