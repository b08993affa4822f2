"""Large values of requests, cut out of the bytes that came before protobuf sees them.

Protobuf copies what stands in a message when it is parsed, and again each time it is read; for a tensor of 40 MB that
is most of the time a call takes. So values pass by protobuf: where they stood a message has their number, and they are
parts of the bytes that came. The wire's rules are in `caffe_sdk.schema.wire`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from caffe_sdk.schema.wire import encode_varint

VALUES = {
    "caffe_sdk.v1.Tensor.data",
    "caffe_sdk.v1.UploadBlobRequest.data",
    "caffe_sdk.v1.UploadWeightsRequest.data",
    "inference.ModelInferRequest.raw_input_contents",
}
"""The fields that are cut out."""

WORTH = 2**16
"""Bytes of a message from which on that is quicker."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 10_000
"""More than any request has; so many are counted in a moment."""

Bytes = bytes | memoryview


@dataclass(frozen=True, eq=False)
class Cut:
    """A message, and the values that were cut out of it; none were where there are no numbers."""

    message: Any
    values: Sequence[memoryview] | None = None

    def of(self, field: bytes) -> Bytes:
        """The values that belong where a field stands."""
        if self.values is None:
            return field
        return self.values[int.from_bytes(field, "little")] if field else b""


def decoder(kind: Any) -> Callable[[bytes], Cut]:
    """What makes a `Cut` of the bytes of a kind of message."""

    def decode(data: bytes) -> Cut:
        if len(data) < WORTH:
            return Cut(kind.FromString(data))
        rest, values = cut(data, kind.DESCRIPTOR)
        return Cut(kind.FromString(rest), values)

    return decode


def cut(data: bytes, kind: Any) -> tuple[bytes, list[memoryview]]:
    """The bytes of a message, ``kind`` being its descriptor, with numbers where values stood; and the values, in order.

    DecodeError for what is no message.
    """
    values: list[memoryview] = []
    return b"".join(_without(memoryview(data), kind, values, iter(range(MOST_FIELDS)))), values


def _without(data: memoryview, kind: Any, values: list[memoryview], budget: Iterator[int]) -> list[Bytes]:
    """The parts of a message's bytes, its values replaced by the numbers under which they are now in ``values``."""
    ways, kept = _ways(kind), 0
    parts: list[Bytes] = []
    for number, begin, start, stop in _fields(data, budget):
        if number not in ways:
            continue
        inside = ways[number]
        if inside is None:
            within: list[Bytes] = [len(values).to_bytes(2, "little")]
            values.append(data[start:stop])
        else:
            within = _without(data[start:stop], inside, values, budget)
        parts += (data[kept:begin], tag(number, sum(map(len, within))), *within)
        kept = stop
    return [*parts, data[kept:]]


@functools.cache
def _ways(kind: Any) -> dict[int, Any]:
    """By number the fields that are values (None), and those that have some inside (their descriptor)."""
    ways: dict[int, Any] = {}
    for field in kind.fields:
        if field.full_name in VALUES:
            ways[field.number] = None
        elif field.message_type is not None and _ways(field.message_type):
            ways[field.number] = field.message_type
    return ways


def tag(number: int, length: int) -> bytes:
    """What stands before a field of so many bytes."""
    return encode_varint(number << 3 | LENGTH) + encode_varint(length)


def _fields(data: memoryview, budget: Iterator[int]) -> Iterator[tuple[int, int, int, int]]:
    """Number, begin, begin of the contents, and end of each field with a length."""
    at = 0
    while at < len(data):
        if next(budget, None) is None:
            raise DecodeError(f"more than {MOST_FIELDS} fields")
        begin = at
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        start = at
        if wire == LENGTH:
            length, start = _varint(data, at)
            at = start + length
        elif wire == VARINT:
            at = _varint(data, at)[1]
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise DecodeError(f"a field of type {wire}")
        if at > len(data):
            raise DecodeError("it is cut short")
        if wire == LENGTH:
            yield number, begin, start, at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise DecodeError("a number has no end")
