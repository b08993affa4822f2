from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_sdk.bridge.frames import BLOCK, MAX_PAYLOAD, Flags, Frame, Kind, encode, read
from caffe_sdk.errors import BridgeError

frames = st.builds(
    Frame,
    kind=st.sampled_from(Kind),
    sequence=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=200),
    flags=st.sampled_from([Flags.NONE, Flags.IN_FILE, Flags.NO_REPLY, Flags.IN_FILE | Flags.NO_REPLY]),
)


@settings(deadline=None)
@given(st.lists(frames, max_size=5))
def test_what_is_written_is_read(sent: list[Frame]) -> None:
    stream = io.BytesIO(b"".join(encode(frame) for frame in sent))
    assert [read(stream) for _ in sent] == sent
    assert read(stream) is None


@pytest.mark.parametrize("length", [0, 1, 47, 48, 49, 1000])
def test_no_frame_is_shorter_than_a_block(length: int) -> None:
    assert len(encode(Frame(Kind.RESULT, 7, b"x" * length))) == max(BLOCK, 16 + length)


def test_the_layout() -> None:
    data = encode(Frame(Kind.REQUEST, 0x01020304, b"abc", Flags.NO_REPLY))
    assert data == b"C1Q\x02\x04\x03\x02\x01" + struct.pack("<Q", 3) + b"abc" + bytes(45)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    try:
        frame = read(io.BytesIO(data))
    except BridgeError:
        return
    assert frame is None or encode(frame)[:16] == data[:16]


@settings(deadline=None)
@given(frames, st.data())
def test_a_frame_that_is_cut_short_is_refused(frame: Frame, data: st.DataObject) -> None:
    whole = encode(frame)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(BridgeError, match=r"ends after \d+ of \d+ bytes"):
        read(io.BytesIO(whole[:cut]))


@pytest.mark.parametrize(
    ("at", "byte", "words"),
    [(0, b"X", "starts with"), (1, b"2", "starts with"), (2, b"?", "unknown kind"), (3, b"\x80", "unknown flags")],
)
def test_a_wrong_header_is_refused(at: int, byte: bytes, words: str) -> None:
    data = bytearray(encode(Frame(Kind.RESULT, 1)))
    data[at : at + 1] = byte
    with pytest.raises(BridgeError, match=words):
        read(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("length", [MAX_PAYLOAD + 1, 2**63])
def test_a_payload_that_is_too_long_is_refused_before_it_is_read(length: int) -> None:
    header = b"C1Q\0" + struct.pack("<IQ", 1, length)
    stream = io.BytesIO(header.ljust(BLOCK, b"\0") + bytes(1000))
    with pytest.raises(BridgeError, match=f"a payload of {length} bytes"):
        read(stream)
    assert stream.tell() == BLOCK
