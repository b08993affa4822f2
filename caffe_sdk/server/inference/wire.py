"""Messages of inference on the wire, their tensors neither copied on the way in nor twice on the way out.

Protobuf copies what stands in a message each time it is parsed, read, put in, and serialized; for a tensor of 40 MB
that is most of the time a call takes. So the fields raw_input_contents and raw_output_contents pass by protobuf: they
are cut out of the bytes that came, and joined to those that go. The wire's rules are in `caffe_sdk.schema.wire`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema.wire import encode_varint
from caffe_sdk.server.inference import pb

RAW_INPUT = pb.ModelInferRequest.DESCRIPTOR.fields_by_name["raw_input_contents"].number
RAW_OUTPUT = pb.ModelInferResponse.DESCRIPTOR.fields_by_name["raw_output_contents"].number
INFER_RESPONSE = pb.ModelStreamInferResponse.DESCRIPTOR.fields_by_name["infer_response"].number

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 10_000
"""More than any request has; so many are counted in a moment."""


@dataclass(frozen=True, eq=False)
class Request:
    """A ModelInferRequest without its raw contents, and these."""

    message: Any
    raw: Sequence[bytes | memoryview] = ()
    fault: str = ""
    """What is wrong with the bytes, where they are no message: then nothing else counts."""

    @property
    def model_name(self) -> str:
        """The model that is asked for."""
        return str(self.message.model_name)


@dataclass(frozen=True, eq=False)
class Reply:
    """A ModelInferResponse without its raw contents, and these."""

    message: Any
    raw: Sequence[bytes | memoryview] = ()
    error: str = ""
    """What went wrong, in a stream; then there is nothing else but the request's id."""


def decode(data: bytes) -> Request:
    """A request from its bytes, of which the tensors are parts. Never raises: what is wrong is in `Request.fault`."""
    try:
        rest, raw = _cut(memoryview(data))
        return Request(pb.ModelInferRequest.FromString(rest), raw)
    except (DecodeError, ArgumentError) as error:
        return Request(pb.ModelInferRequest(), fault=str(error))


def encode(reply: Reply) -> bytes:
    """The bytes of a ModelInferResponse."""
    return b"".join(_parts(reply))


def encode_in_stream(reply: Reply) -> bytes:
    """The bytes of a ModelStreamInferResponse."""
    if reply.error:
        message = pb.ModelStreamInferResponse(error_message=reply.error, infer_response=reply.message)
        return bytes(message.SerializeToString())
    parts = _parts(reply)
    return b"".join([_tag(INFER_RESPONSE, sum(map(len, parts))), *parts])


def _parts(reply: Reply) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = [reply.message.SerializeToString()]
    for raw in reply.raw:
        parts += (_tag(RAW_OUTPUT, len(raw)), raw)
    return parts


def _tag(number: int, length: int) -> bytes:
    return encode_varint(number << 3 | LENGTH) + encode_varint(length)


def _cut(data: memoryview) -> tuple[bytes, list[memoryview]]:
    """A request's bytes without its raw contents, and these."""
    rest: list[memoryview] = []
    raw: list[memoryview] = []
    at = kept = 0
    for _ in range(MOST_FIELDS):
        if at == len(data):
            return b"".join((*rest, data[kept:])), raw
        begin = at
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == LENGTH:
            length, at = _varint(data, at)
            stop = at + length
        elif wire == VARINT:
            stop = _varint(data, at)[1]
        elif wire in (FIXED32, FIXED64):
            stop = at + (4 if wire == FIXED32 else 8)
        else:
            raise _no_message(f"a field of type {wire}")
        if stop > len(data):
            raise _no_message("it is cut short")
        if (number, wire) == (RAW_INPUT, LENGTH):
            rest.append(data[kept:begin])
            raw.append(data[at:stop])
            kept = stop
        at = stop
    raise _no_message(f"more than {MOST_FIELDS} fields")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise _no_message("a number has no end")


def _no_message(what: str) -> ArgumentError:
    return ArgumentError("request", f"the bytes are no ModelInferRequest: {what}", "send one")
