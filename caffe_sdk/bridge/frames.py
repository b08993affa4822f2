"""Frames: what the bridge and its client send each other, over a socket or a pair of pipes.

::

    magic "C1" | kind 1 byte | flags 1 byte | sequence uint32 | length uint64 | payload | zeros up to 64 bytes

All numbers are little-endian. "1" is the version of the protocol. No frame is shorter than 64 bytes, so that a client
gets the whole of a short answer with one read: in Octave every read of a socket costs 0.15 ms.

======== ================ ==================================================================================
kind     from             payload
======== ================ ==================================================================================
HELLO    client           the token, 64 hexadecimal digits (sockets only)
REQUEST  client           encoded list: the command's name and its arguments
CANCEL   client           nothing; the sequence number is that of the request that shall stop
RESULT   bridge           one encoded value
ERROR    bridge           identifier, newline, message
LOG      bridge           text to print; an empty one says "still at work" and comes every second
======== ================ ==================================================================================

The bridge begins with an empty RESULT of sequence number 0. After that every request is answered by exactly one RESULT
or ERROR of its sequence number, unless it is flagged NO_REPLY. An ERROR of number 0 says why the bridge hangs up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import BinaryIO

from caffe_sdk.errors import BridgeError

MAGIC = b"C1"
BLOCK = 64
MAX_PAYLOAD = 1 << 26  # 64 MiB; large arrays travel in files

_HEADER = struct.Struct("<2sBBIQ")
_IN_FIRST_BLOCK = BLOCK - _HEADER.size


class Kind(IntEnum):
    """What a frame is, as the letter that stands for it."""

    HELLO = ord("H")
    REQUEST = ord("Q")
    CANCEL = ord("C")
    RESULT = ord("R")
    ERROR = ord("E")
    LOG = ord("L")


class Flags(IntFlag):
    """IN_FILE: large arrays of the payload lie in a file (`exchange`). NO_REPLY: the client does not listen."""

    NONE = 0
    IN_FILE = 1
    NO_REPLY = 2


_FLAGS = int(Flags.IN_FILE | Flags.NO_REPLY)


@dataclass(frozen=True)
class Frame:
    """One frame. ``sequence`` counts the client's requests; answers carry the number of their request."""

    kind: Kind
    sequence: int
    payload: bytes = b""
    flags: Flags = Flags.NONE


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    header = _HEADER.pack(MAGIC, frame.kind, frame.flags, frame.sequence, len(frame.payload))
    return (header + frame.payload).ljust(BLOCK, b"\0")


def read(stream: BinaryIO, limit: int = MAX_PAYLOAD) -> Frame | None:
    """The next frame of a stream, or None where it ends between two frames.

    Raises BridgeError for bytes that are no frame, for a payload longer than ``limit``, and when the stream ends inside
    a frame. After that nothing sensible can be read from the stream.
    """
    block = stream.read(BLOCK)
    if not block:
        return None
    if len(block) < BLOCK:
        raise BridgeError("frame", f"ends after {len(block)} of {BLOCK} bytes")
    magic, kind, flags, sequence, length = _HEADER.unpack_from(block)
    if magic != MAGIC:
        raise BridgeError("frame", f"starts with {magic!r}, not {MAGIC!r}", "use the client of this package")
    if kind not in set(Kind):
        raise BridgeError("frame", f"unknown kind {kind}")
    if flags & ~_FLAGS:
        raise BridgeError("frame", f"unknown flags {flags:#x}")
    if length > limit:
        raise BridgeError("frame", f"a payload of {length} bytes", f"send at most {limit}")
    payload = block[_HEADER.size : _HEADER.size + length]
    if length > _IN_FIRST_BLOCK:
        rest = stream.read(length - _IN_FIRST_BLOCK)
        payload += rest
        if len(payload) < length:
            raise BridgeError("frame", f"ends after {len(payload)} of {length} bytes of payload")
    return Frame(Kind(kind), sequence, payload, Flags(flags))
