"""How a client reaches a server: address, encryption, token, session name; and what became of a call that failed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.errors import (
    AccessError,
    BridgeError,
    CaffeError,
    CancelledError,
    CredentialsError,
    DeadlineError,
    InternalError,
    LimitError,
)
from caffe_sdk.rpc import faults, pb
from caffe_sdk.rpc.transport import MAX_MESSAGE, SESSION_KEY, channel_options
from caffe_sdk.schema.files import read_bytes

SERVICES = (pb.Server, pb.Models, pb.Nets, pb.Solvers)
ROOM = 2**16  # bytes of a message beside its values
PIECES = 2**22
"""Bytes of values from which on they go in chunks: a large message is copied as a whole several times on its way."""


def chunked_from(max_message: int, of_server: int = 0) -> int:
    """Bytes of values up to which they go in one message, from the limits of both sides; 0 is none."""
    return max(1, min(max_message - ROOM, (of_server or max_message) - ROOM, PIECES))


@dataclass(frozen=True)
class Security:
    """How a server that does not trust everybody is reached.

    ``token`` says who calls. ``authority`` is a file of certificates that the server's must be signed by, "" for those
    the computer trusts, and None for no encryption. ``certificate`` and ``key`` are files for a server that asks for
    the client's (mTLS). ``server_name`` is the name in the server's certificate, where it is not the address.
    """

    token: str | None = field(default=None, repr=False)
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What gRPC takes; None for no encryption. Raises FileErrors."""
        if self.authority is None:
            return None
        paths = (self.authority or None, self.key, self.certificate)
        return grpc.ssl_channel_credentials(*(read_bytes(path) if path is not None else None for path in paths))


OPEN = Security()
"""A server that trusts everybody who can connect."""


@dataclass(frozen=True)
class Target:
    """Where calls go, and what goes along with each."""

    address: str
    security: Security = OPEN
    max_message: int = MAX_MESSAGE
    compress: bool = False
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def open(self, module: Any) -> Any:
        """A channel of ``grpc`` or ``grpc.aio``."""
        options: list[tuple[str, int | str]] = [*channel_options(self.max_message)]
        if self.security.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.security.server_name))
        compression = grpc.Compression.Gzip if self.compress else grpc.Compression.NoCompression
        credentials = self.security.credentials()
        if credentials is None:
            return module.insecure_channel(self.address, options=options, compression=compression)
        return module.secure_channel(self.address, credentials, options=options, compression=compression)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes along with every call."""
        token = self.security.token
        who = () if token is None else (("authorization", f"Bearer {token}"),)
        return ((SESSION_KEY, self.session), *who)


def stubs(channel: Any) -> dict[str, Callable[..., Any]]:
    """What makes the calls of the .proto, by their names."""
    makers = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    return {
        call.name: makers[call.client_streaming, call.server_streaming](
            f"/{service.full_name}/{call.name}",
            request_serializer=GetMessageClass(call.input_type).SerializeToString,
            response_deserializer=GetMessageClass(call.output_type).FromString,
        )
        for service in SERVICES
        for call in service.methods
    }


def error_of(failed: Any, address: str) -> CaffeError:
    """The error of a failed call: what was raised on the server, or what happened on the way."""
    for key, value in failed.trailing_metadata() or ():
        if key == faults.METADATA_KEY:
            try:
                return faults.from_message(pb.Error.FromString(value))
            except DecodeError:
                break
    code, words = failed.code(), failed.details() or "no words"
    if code == grpc.StatusCode.CANCELLED:
        return CancelledError(address, f"the call was cancelled: {words}")
    if code == grpc.StatusCode.UNAVAILABLE:
        return BridgeError(address, f"the server is not there: {words}", "start it again, and connect again")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineError(address, f"there was no answer in time: {words}", "give it more time")
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return BridgeError(address, f"the server does not know this call: {words}", "use one version on both sides")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return LimitError(address, f"too much for one message: {words}", "raise max_message on both sides")
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return CredentialsError(address, words, "give a token")
    if code == grpc.StatusCode.PERMISSION_DENIED:
        return AccessError(address, words, "give a token with more rights")
    return InternalError(address, f"{code.name}: {words}", "see the server's log")


def nobody(address: str) -> BridgeError:
    """The error of a first call that nobody answered."""
    return BridgeError(address, "no server answered in time", f"start one: caffe serve --address {address}")


def closed(address: str, error: Exception) -> BridgeError:
    """The error of a call on a connection that was closed."""
    return BridgeError(address, str(error), "connect again")
