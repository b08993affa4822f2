"""Arrays as messages: raw little-endian numbers in row-major order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc import pb

Array = npt.NDArray[Any]

DTYPES: dict[int, np.dtype[Any]] = {
    pb.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    pb.DATA_TYPE_FLOAT64: np.dtype("<f8"),
    pb.DATA_TYPE_INT32: np.dtype("<i4"),
    pb.DATA_TYPE_INT64: np.dtype("<i8"),
    pb.DATA_TYPE_UINT8: np.dtype("u1"),
}
TYPES = {dtype: number for number, dtype in DTYPES.items()}


def put(tensor: Any, values: npt.ArrayLike, where: str = "tensor") -> Any:
    """Make a Tensor message hold an array; types that have none of their own travel as float32. Gives the message.

    To be called on the message where it stands in a larger one: protobuf copies a message that is put into another, and
    that takes longer than all the rest. Raises ArgumentError for values that are no numbers.
    """
    array = as_known(values, where)
    tensor.shape.extend(array.shape)
    tensor.type = TYPES[array.dtype]
    tensor.data = array.tobytes()
    return tensor


def as_known(values: npt.ArrayLike, where: str = "tensor") -> Array:
    """An array of a type that messages have, its own or float32. ArgumentError for values that are no numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(where, f"values of type {array.dtype} are no numbers", "give float32")
    little = array.dtype.newbyteorder("<")
    return np.asarray(array, little if little in TYPES else DTYPES[pb.DATA_TYPE_FLOAT32])


def put_all(named_tensors: Any, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Add arrays by name to a field of NamedTensor messages."""
    for name, values in arrays.items():
        put(named_tensors.add(name=name).tensor, values, f"blob '{name}'")


def to_array(tensor: Any, where: str = "tensor", data: bytes | memoryview | None = None) -> Array:
    """The array of a Tensor message, read-only: it is the message's own bytes, or ``data`` where these are elsewhere.

    Raises ArgumentError for bytes that are not as many as the shape says, or a type there is none of.
    """
    dtype = DTYPES.get(tensor.type or pb.DATA_TYPE_FLOAT32)
    if dtype is None:
        known = ", ".join(pb.DataType.Name(number) for number in DTYPES)
        raise ArgumentError(where, f"{tensor.type} is no DataType", f"use one of {known}")
    shape, data = tuple(tensor.shape), tensor.data if data is None else data
    if any(size < 0 for size in shape) or len(data) != math.prod(shape) * dtype.itemsize:
        raise ArgumentError(
            where,
            f"{len(data)} bytes given for shape {shape} of {dtype.name}",
            f"give {dtype.itemsize} bytes for each value, and sizes of 0 or more",
        )
    return np.frombuffer(data, dtype).reshape(shape)
