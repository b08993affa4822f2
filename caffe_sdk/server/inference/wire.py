"""Messages of inference on the wire, their tensors neither copied on the way in nor twice on the way out.

The fields raw_input_contents and raw_output_contents pass by protobuf, which would copy them: they are cut out of the
bytes that came (`caffe_sdk.server.payloads`), and joined to those that go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from caffe_sdk.server.inference import pb
from caffe_sdk.server.payloads import cut, tag

RAW_OUTPUT = pb.ModelInferResponse.DESCRIPTOR.fields_by_name["raw_output_contents"].number
INFER_RESPONSE = pb.ModelStreamInferResponse.DESCRIPTOR.fields_by_name["infer_response"].number


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
        rest, raw = cut(data, pb.ModelInferRequest.DESCRIPTOR)
        message = pb.ModelInferRequest.FromString(rest)
    except DecodeError as error:
        return Request(pb.ModelInferRequest(), fault=f"the bytes are no ModelInferRequest: {error}")
    message.ClearField("raw_input_contents")
    return Request(message, raw)


def encode(reply: Reply) -> bytes:
    """The bytes of a ModelInferResponse."""
    return b"".join(_parts(reply))


def encode_in_stream(reply: Reply) -> bytes:
    """The bytes of a ModelStreamInferResponse."""
    if reply.error:
        message = pb.ModelStreamInferResponse(error_message=reply.error, infer_response=reply.message)
        return bytes(message.SerializeToString())
    parts = _parts(reply)
    return b"".join([tag(INFER_RESPONSE, sum(map(len, parts))), *parts])


def _parts(reply: Reply) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = [reply.message.SerializeToString()]
    for raw in reply.raw:
        parts += (tag(RAW_OUTPUT, len(raw)), raw)
    return parts
