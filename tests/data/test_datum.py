"""Datum: what parse reads, what encode writes, and what it says about bytes that are none."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_sdk.data import datum
from caffe_sdk.errors import ArgumentError, DataError
from caffe_sdk.schema.messages import Datum


def test_bytes_are_those_of_caffe() -> None:
    """Field order and numbers as Caffe's convert_imageset writes them, flag included."""
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert datum.encode(pixels, 5) == b"\x08\x01\x10\x02\x18\x03\x22\x06\x00\x01\x02\x03\x04\x05\x28\x05"
    assert datum.encode(pixels, 5, encoded=False) == datum.encode(pixels, 5) + b"\x38\x00"
    assert datum.encode_image(b"png", 1) == b"\x22\x03png\x28\x01\x38\x01"


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("label", [0, 300, -1, 2**31 - 1, -(2**31)])
def test_there_and_back(rng: np.random.Generator, kind: type, label: int) -> None:
    pixels = (rng.random((3, 20, 7)) * 255).astype(kind)
    record = datum.parse(datum.encode(pixels, label))
    assert record.shape == (3, 20, 7)
    assert record.label == label
    assert record.encoded is None
    assert record.array is not None
    assert record.array.dtype == kind
    np.testing.assert_array_equal(record.array, pixels)


def test_pixels_are_a_view() -> None:
    data = bytearray(datum.encode(np.zeros((1, 2, 2), np.uint8), 0))
    array = datum.parse(data).array
    assert array is not None
    data[data.index(b"\x22") + 2] = 9
    assert array[0, 0, 0] == 9


def test_unpacked_floats_as_caffe_writes_them() -> None:
    values = [1.5, -2.0, 1e30, 0.0, 5e-324]
    tagged = b"".join(b"\x35" + struct.pack("<f", value) for value in values)
    shape = b"\x08\x05\x10\x01\x18\x01"
    for data in (shape + tagged + b"\x28\x07", tagged + shape + b"\x28\x07", shape + b"\x28\x07" + tagged):
        record = datum.parse(data)
        assert record.array is not None
        np.testing.assert_array_equal(record.array.ravel(), np.array(values, np.float32))
        assert record.label == 7


def test_floats_in_pieces_and_unknown_fields() -> None:
    piece = b"\x32\x04" + struct.pack("<f", 1)
    unknown = b"\xa2\x06\x01x\xad\x06abcd\xa9\x06abcdefgh"  # fields 100, 101 and 105 of wire types 2, 5 and 1
    record = datum.parse(b"\x08\x02\x10\x01\x18\x01" + piece + unknown + b"\x35" + struct.pack("<f", 2))
    assert record.array is not None
    assert record.array.ravel().tolist() == [1, 2]


def test_last_value_of_a_field_counts() -> None:
    record = datum.parse(datum.encode(np.zeros((1, 1, 1), np.uint8), 3) + b"\x28\x04")
    assert record.label == 4


def test_encoded_image_is_kept_as_it_is() -> None:
    record = datum.parse(datum.encode_image(b"\x89PNG...", 2))
    assert record.array is None
    assert record.encoded is not None
    assert bytes(record.encoded) == b"\x89PNG..."
    assert record.shape == (0, 0, 0)


GOOD = datum.encode(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "neither data nor float_data"),
        (b"\x08\x03\x10\x04\x18\x05\x22\x02ab", "holds 2 values; channels x height x width = 3 x 4 x 5"),
        (b"\x22\x02ab", "0 x 0 x 0"),
        (b"\x08" + b"\xff" * 9 + b"\x01\x10\x01\x18\x01\x22\x01a", "-1 x 1 x 1"),
        (GOOD[:20], "ends beyond the 20 bytes"),
        (b"\x08\x80", "not complete"),
        (b"\xff" * 30, "not complete"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "field 0"),
        (b"\x35\x00\x00", "field 6"),
        (b"\x32\x03abc", "multiple of 4"),
        (b"\x30\x03", "neither data nor float_data"),
        (b"\x31abcdefgh", "wire type 1"),
        (b"\x38\x01", "encoded but holds no image"),
    ],
)
def test_bad_bytes(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match="Datum") as caught:
        datum.parse(data)
    assert words in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_record_or_a_data_error(data: bytes) -> None:
    try:
        record = datum.parse(data)
    except DataError:
        return
    assert (record.array is None) != (record.encoded is None)


@given(st.integers(0, len(GOOD) - 1))
def test_a_record_cut_short_never_looks_whole(size: int) -> None:
    """Only the label, which stands last, may be missing."""
    if size < len(GOOD) - 2:
        with pytest.raises(DataError):
            datum.parse(GOOD[:size])


@pytest.mark.parametrize(
    ("array", "label"),
    [
        (np.zeros((2, 2), np.uint8), 0),
        (np.zeros((0, 2, 2), np.uint8), 0),
        (np.zeros((1, 2, 2), np.float64), 0),
        (np.zeros((1, 2, 2), np.uint8), 2**31),
    ],
)
def test_what_cannot_be_encoded(array: np.ndarray, label: int) -> None:
    with pytest.raises(ArgumentError):
        datum.encode(array, label)


def test_many_labels_in_a_field_of_our_own() -> None:
    pixels = np.full((1, 2, 2), 7, np.uint8)
    labels = np.float32([0.5, -2, 1e6])
    for value in (datum.encode(pixels, labels), datum.encode_image(b"file", labels)):
        np.testing.assert_array_equal(datum.parse(value).label, labels)
        message = Datum.FromString(value)
        assert list(message.labels) == labels.tolist()
        assert message.SerializeToString() == value
        message.ClearField("labels")
        assert value.startswith(message.SerializeToString())  # Caffe passes over what it does not know
        assert datum.parse(message.SerializeToString()).label == 0
    assert datum.parse(datum.encode(pixels.astype(np.float32), np.float32([4]))).label == [4]
