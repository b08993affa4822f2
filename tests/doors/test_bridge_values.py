from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from caffe_sdk.bridge.values import LARGE, decode, encode
from caffe_sdk.errors import ArgumentError, BridgeError

DTYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=5, min_side=0, max_side=4))
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = st.recursive(
    arrays | text,
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


@settings(deadline=None)  # other processes of the tests may have the computer
@given(plain, st.sampled_from([0, 8, LARGE]), st.sampled_from([8, 24, 1 << 30]))
def test_what_is_encoded_is_decoded(value: Any, large: int, chunk: int) -> None:
    data, pieces = encode(value, large, chunk)
    assert all(piece.nbytes <= chunk for piece in pieces)
    assert same(decode(data, pieces), value)


@pytest.mark.parametrize(
    ("value", "dimensions"),
    [
        (np.zeros((2, 3, 4, 5), "f4"), (5, 4, 3, 2)),
        (np.zeros(7, "f4"), (7, 1)),
        (np.float32(3), (1, 1)),
        (np.zeros((), "f4"), (1, 1)),
        (np.zeros((0,), "f4"), (0, 1)),
        ((5, 4, 3, 1), (1, 4)),
        ((), (1, 0)),
        (2.5, (1, 1)),
        (True, (1, 1)),
        (None, (0, 0)),
    ],
)
def test_dimensions_as_matlab_counts_them(value: Any, dimensions: tuple[int, ...]) -> None:
    data, _ = encode(value)
    assert np.frombuffer(data, "<u4", data[1], 2).tolist() == list(dimensions)


def test_axes_are_reversed_and_nothing_is_moved() -> None:
    blob = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    data, _ = encode(blob)
    in_matlab = np.frombuffer(data, "<f4", offset=2 + 4 * 4).reshape(5, 4, 3, 2, order="F")
    assert in_matlab[4, 1, 2, 0] == blob[0, 2, 1, 4]


def test_classes() -> None:
    kinds = [decode(encode(value)[0]).dtype for value in (1, 2.5, True, (1, 2), None, np.float32(1), np.int16([1]))]
    assert kinds == ["f8", "f8", "?", "f8", "f8", "f4", "i2"]


@pytest.mark.parametrize("items", [[], [""], ["", ""], ["a"], ["conv1", "été 図", "a b'c\"d"], ["nul\0inside", "b"]])
def test_lists_of_text(items: list[str]) -> None:
    assert decode(encode(items)[0]) == items


def test_what_has_no_class_in_matlab_is_refused() -> None:
    with pytest.raises(ArgumentError, match="type complex128"):
        encode(np.zeros(3, complex))
    with pytest.raises(ArgumentError, match="a set has no class in MATLAB"):
        encode({1, 2})


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except BridgeError:
        return
    assert value is not None


@settings(deadline=None)
@given(plain, st.data())
def test_cut_and_changed_values_are_decoded_or_refused(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(encode(value)[0])
    with pytest.raises(BridgeError):
        decode(bytes(encoded[: data.draw(st.integers(0, len(encoded) - 1))]))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BridgeError):
        decode(bytes(encoded))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x22\x01\x01\0\0\0" * 100, "more than 16 cells"),
        (b"\x22\x01\xff\xff\xff\xff", "cannot be decoded"),
        (b"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff", "cannot be decoded"),
        (b"\x81\x02\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0", "arrays 0 to 0 of 0"),
        (encode("abc")[0] + b"x", "ends after 9 of 10 bytes"),
    ],
)
def test_malformed_values(data: bytes, words: str) -> None:
    with pytest.raises(BridgeError, match=words):
        decode(data)
