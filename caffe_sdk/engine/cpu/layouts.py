"""oneDNN's layouts as places of memory, and the way between them: reorder primitives."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu.descriptors import Descriptor, Key, alike, plain, slabs
from caffe_sdk.engine.cpu.library import library, prepare
from caffe_sdk.engine.cpu.primitives import DST, SRC, Execution, Operand, Primitive, PrimitiveDescriptor
from caffe_sdk.memory import ALIGNMENT, HOST, Array, Place, aligned

SLAB = 1 << 16
"""Bytes up to which a piece of a buffer is copied to be put back in another layout."""

_layouts: weakref.WeakValueDictionary[Key, Layout] = weakref.WeakValueDictionary()
_one_of_each = threading.Lock()


class Layout(Place):
    """A place where numbers lie as ``descriptor`` says. On the host the same numbers lie as ``host`` says.

    Made by `place_of`, which makes one object per layout: places are compared often, and identity is quick.
    """

    name = "onednn"

    def __init__(self, descriptor: Descriptor, host: Descriptor) -> None:
        self.descriptor, self.host = descriptor, host

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        """Padding counts. A buffer begins as zeros: whoever works on it whole finds nothing odd where it is padded."""
        return self.descriptor.nbytes // self.descriptor.dtype.itemsize, self.descriptor.dtype

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def from_host(self, host: Array, buffer: Array) -> None:
        reorder(self.host, host, self.descriptor, buffer)

    def to_host(self, buffer: Array, host: Array) -> None:
        reorder(self.descriptor, buffer, self.host, host)

    def in_place(self, buffer: Array) -> bool:
        """Where parts of it lie in the same bytes here and there, one after the other by way of a small copy."""
        if buffer.ctypes.data % ALIGNMENT or min(slabs(self.host), slabs(self.descriptor)) == 1:
            return False
        count = slabs(self.descriptor)
        while count % 2 == 0 and 2 * buffer.nbytes // count <= SLAB:
            count //= 2
        dims = (self.descriptor.dims[0] // count, *self.descriptor.dims[1:])
        before, after = plain(dims, self.host.dtype), alike(self.descriptor, dims)
        pieces = buffer.reshape(count, -1)
        copy = aligned(pieces.shape[1], buffer.dtype)
        execution = Execution(
            reordering(before, after, prepare()), {SRC: Operand(before, copy), DST: (target := Operand(after))}
        )
        for piece in pieces:
            target.bind(piece)
            copy[:] = piece
            execution.run()
        return True

    def from_place(self, other: Place, source: Array, buffer: Array) -> bool:
        if not isinstance(other, Layout) or other.host != self.host:
            return False
        reorder(other.descriptor, source, self.descriptor, buffer)
        return True

    def __repr__(self) -> str:
        return f"Layout{self.descriptor.key}"


class Promise(Place):
    """A place where numbers are not, but can be computed from other memories when somebody looks.

    Not by a step of a program: while that runs nobody knows where the other memories' numbers are.
    """

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return 0, dtype


def place_of(descriptor: Descriptor, host: Descriptor | None = None) -> Place:
    """The place of numbers in a layout: HOST when they lie there as on the host, which is row-major by default."""
    host = host or plain(descriptor.dims, descriptor.dtype)
    if descriptor == host:
        return HOST
    key = (descriptor.key, host.key)
    layout = _layouts.get(key)
    if layout is None:
        with _one_of_each:
            layout = _layouts.get(key)
            if layout is None:
                layout = _layouts[key] = Layout(descriptor, host)
    return layout


def reorder(source: Descriptor, numbers: Array, target: Descriptor, room: Array) -> None:
    """Bring numbers from one array and layout to another."""
    primitive = reordering(source, target, prepare())
    Execution(primitive, {SRC: Operand(source, numbers), DST: Operand(target, room)}).run()


@functools.lru_cache(maxsize=512)
def reordering(source: Descriptor, target: Descriptor, generation: int) -> Primitive:
    """The primitive between two layouts, made once in a generation of threads."""
    engine = library().engine
    return Primitive(PrimitiveDescriptor("reorder", source, engine, target, engine))
