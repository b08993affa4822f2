"""How connections are set up, on both sides."""

from __future__ import annotations

MAX_MESSAGE = 2**31 - 1
"""Bytes a message may have: protobuf ends at 2 GiB."""

WINDOW = 2**26
"""Bytes that may be on their way in one call before the reader has taken any. With gRPC's own 64 KB a tensor of 20 MB
takes three times as long on one computer."""


SESSION_KEY = "caffe-session"
"""The metadata in which a client says the name it goes by."""


def channel_options(max_message: int = MAX_MESSAGE) -> list[tuple[str, int]]:
    """gRPC's options of a server or a channel, for messages up to a number of bytes."""
    return [
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.http2.lookahead_bytes", WINDOW),
    ]
