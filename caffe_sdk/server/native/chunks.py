"""Values in chunks: what is too large for one message comes and goes in several.

Chunks come into one array of the size that was announced, which the limits admitted before; what does not come to the
end changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import DTYPES, TYPES
from caffe_sdk.server.payloads import Bytes

CHUNK = 2**21
"""Bytes of a chunk that the server sends: enough to keep the wire busy, little enough to be sent while others wait."""


def size_of(header: Any, where: str) -> int:
    """How many bytes a BlobHeader announces. ArgumentError for shapes and types there are none of."""
    dtype = DTYPES.get(header.type or pb.DATA_TYPE_FLOAT32)
    if dtype is None:
        raise ArgumentError(where, f"{header.type} is no DataType", "use one of the .proto's")
    if any(size < 0 for size in header.shape):
        raise ArgumentError(where, f"a shape of {tuple(header.shape)}", "give sizes of 0 or more")
    return int(math.prod(header.shape)) * dtype.itemsize


def gather(header: Any, pieces: Iterable[Bytes], where: str) -> Array:
    """The array that a header announces, from the bytes that requests bring.

    ArgumentError when there are more or fewer bytes than announced.
    """
    size = size_of(header, where)
    whole = np.empty(size, np.uint8)
    filled = 0
    for piece in pieces:
        chunk = np.frombuffer(piece, np.uint8)
        if filled + len(chunk) > size:
            raise ArgumentError(where, f"more than {size} bytes came", "give as many as the shape says")
        whole[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    if filled < size:
        raise ArgumentError(where, f"{filled} of {size} bytes came", "give as many as the shape says")
    return whole.view(DTYPES[header.type or pb.DATA_TYPE_FLOAT32]).reshape(tuple(header.shape))


def gather_bytes(pieces: Iterable[Bytes], most: int, where: str) -> bytes:
    """The bytes that requests bring. ArgumentError when there are more than ``most``; 0 is no limit."""
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if most and len(whole) > most:
            raise ArgumentError(where, f"more than {most} bytes", "this server takes no more")
    return bytes(whole)


def cut(array: Array, chunk: int) -> Iterator[Any]:
    """BlobChunks of an array, the first of which tells shape and type; at least one."""
    values = np.ascontiguousarray(array)
    data = values.reshape(-1).view(np.uint8)
    yield pb.BlobChunk(shape=array.shape, type=TYPES[values.dtype.newbyteorder("<")], data=data[:chunk].tobytes())
    for start in range(chunk, len(data), chunk):
        yield pb.BlobChunk(data=data[start : start + chunk].tobytes())


def cut_bytes(data: bytes, chunk: int) -> Iterator[Any]:
    """WeightsChunks of bytes."""
    view = memoryview(data)
    for start in range(0, len(data), chunk):
        yield pb.WeightsChunk(data=bytes(view[start : start + chunk]))
