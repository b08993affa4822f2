"""Every call of ``caffe_sdk.v1`` as a function of a channel, without the client."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.rpc import pb


def calls(channel: grpc.Channel) -> SimpleNamespace:
    """Stubs by the calls' names."""
    makers = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    found = SimpleNamespace()
    for service in (pb.Server, pb.Models, pb.Nets, pb.Solvers):
        for call in service.methods:
            stub = makers[call.client_streaming, call.server_streaming](
                f"/{service.full_name}/{call.name}",
                request_serializer=GetMessageClass(call.input_type).SerializeToString,
                response_deserializer=GetMessageClass(call.output_type).FromString,
            )
            setattr(found, call.name, stub)
    return found


def status(error: grpc.RpcError) -> str:
    """The name of a failed call's status."""
    call: grpc.Call = error  # type: ignore[assignment]
    return call.code().name


def named(session: str) -> list[tuple[str, str]]:
    """The metadata of a client that goes by a name; short names are filled up."""
    return [("caffe-session", session.ljust(16, "-"))]
