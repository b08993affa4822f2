"""Errors as messages, so that a client raises what was raised on the server."""

from __future__ import annotations

from typing import Any

from caffe_sdk.errors import CaffeError, PrototxtError, of_code
from caffe_sdk.rpc import pb

METADATA_KEY = "caffe-error-bin"
"""Where a failed call's trailing metadata holds the Error message."""

ROOM = 6000  # bytes; words travel twice in a call's trailing metadata, of which gRPC takes 8 KB by default


def to_message(error: CaffeError) -> Any:
    """The Error message of an error; words that do not fit a call's metadata are shortened."""
    parts = {"where": error.where, "what": error.what, "remedy": error.remedy}
    while _bytes_on_the_wire(parts) > ROOM:
        longest = max(parts, key=lambda part: len(parts[part]))
        parts[longest] = parts[longest][: len(parts[longest]) * 3 // 4] + " ..."
    line, column = (error.line, error.column) if isinstance(error, PrototxtError) else (0, 0)
    return pb.Error(code=error.code, identifier=error.identifier, line=line, column=column, **parts)


def from_message(message: Any) -> CaffeError:
    """The error of an Error message."""
    error = of_code(message.code)(message.where, message.what, message.remedy)
    if isinstance(error, PrototxtError):
        error.line, error.column = message.line, message.column
    return error


def _bytes_on_the_wire(parts: dict[str, str]) -> int:
    """In the status message (three bytes for each that is not plain ASCII) and in the metadata (base64)."""
    size = 0
    for text in parts.values():
        encoded = text.encode()
        plain = sum(0x20 <= byte < 0x7F for byte in encoded)
        size += plain + 3 * (len(encoded) - plain) + len(encoded) * 4 // 3
    return size
