from __future__ import annotations

import numpy as np
import pytest
import tritonclient.utils as triton

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.server.inference import datatypes, pb

EXAMPLES = {
    "BOOL": [True, False, True, True],
    "UINT8": [0, 1, 254, 255],
    "UINT16": [0, 1, 2, 65535],
    "UINT32": [0, 1, 2, 2**32 - 1],
    "UINT64": [0, 1, 2, 2**64 - 1],
    "INT8": [-128, -1, 0, 127],
    "INT16": [-(2**15), -1, 0, 2**15 - 1],
    "INT32": [-(2**31), -1, 0, 2**31 - 1],
    "INT64": [-(2**63), -1, 0, 2**63 - 1],
    "FP16": [0.5, -2.0, 65504.0, 0.0],
    "FP32": [0.5, -2.0, 3.0e38, float("inf")],
    "FP64": [0.5, -2.0, 1.0e300, float("-inf")],
}


@pytest.mark.parametrize("datatype", EXAMPLES)
def test_every_type_of_number_by_every_way(datatype: str) -> None:
    want = np.array(EXAMPLES[datatype], triton.triton_to_np_dtype(datatype)).reshape(2, 2)
    ways: list[datatypes.Values] = [
        datatypes.from_raw(datatype, (2, 2), want.tobytes(), "x"),
        datatypes.from_json(datatype, (2, 2), want.tolist(), "x"),
        datatypes.from_json(datatype, (2, 2), want.reshape(-1).tolist(), "x"),
    ]
    if field := datatypes.FIELDS[datatype]:
        contents = pb.InferTensorContents(**{field: EXAMPLES[datatype]})
        ways.append(datatypes.from_contents(datatype, (2, 2), contents, "x"))
    for got in ways:
        assert isinstance(got, np.ndarray)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_raw_contents_are_not_copied() -> None:
    data = np.arange(6, dtype=np.float32).tobytes()
    got = datatypes.from_raw("FP32", (2, 3), data, "x")
    assert isinstance(got, np.ndarray)
    assert np.shares_memory(got, np.frombuffer(data, np.uint8))


def test_bf16_is_the_upper_half_of_fp32() -> None:
    want = np.array([1.0, -2.5, 0.0], np.float32)
    raw = (want.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    np.testing.assert_array_equal(_array(datatypes.from_raw("BF16", (3,), raw, "x")), want)
    np.testing.assert_array_equal(_array(datatypes.from_json("BF16", (3,), want.tolist(), "x")), want)


def test_any_byte_but_zero_is_true() -> None:
    assert _array(datatypes.from_raw("BOOL", (3,), b"\0\1\2", "x")).astype(float).tolist() == [0, 1, 1]


@pytest.mark.parametrize("texts", [[], [b""], [b"a", b"", b"\0\xff" * 100]])
def test_bytes_by_every_way(texts: list[bytes]) -> None:
    packed = datatypes.to_raw(texts)
    assert packed == (triton.serialize_byte_tensor(np.array(texts, object)).item() if texts else b"")
    assert datatypes.from_raw("BYTES", (len(texts),), packed, "x") == texts
    contents = pb.InferTensorContents(bytes_contents=texts)
    assert datatypes.from_contents("BYTES", (len(texts),), contents, "x") == texts


def test_bytes_in_json_are_text() -> None:
    assert datatypes.from_json("BYTES", (2, 1), [["é"], ["b\0"]], "x") == ["é".encode(), b"b\0"]
    assert datatypes.to_json([b"1:2:cat", b"\xff"]) == ["1:2:cat", "\ufffd"]


def test_numbers_in_json_are_exact() -> None:
    numbers = np.array([[0.1, 1e-40]], np.float32)
    assert datatypes.to_json(numbers) == [float(np.float32(0.1)), float(np.float32(1e-40))]
    assert datatypes.to_raw(numbers) == numbers.tobytes()


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "words"),
    [
        ("FP32", (2,), b"1234", r"4 bytes for shape \[2\] of FP32; give 8"),
        ("FP32", (2**62, 2**62), b"", r"0 bytes for shape"),
        ("FP32", (-1, 4), b"", "give sizes of 0 or more"),
        ("FP32", (1,) * 33, b"1234", "33 axes; give at most 32"),
        ("FP33", (1,), b"1234", "there is no datatype 'FP33'; use one of BOOL"),
        ("", (1,), b"1234", "there is no datatype ''"),
        ("BYTES", (1,), b"\4\0\0\0abc", "the bytes end within value 0"),
        ("BYTES", (1,), b"\4\0\0", "the bytes end within value 0"),
        ("BYTES", (1,), b"\xff\xff\xff\xff", "the bytes end within value 0"),
        ("BYTES", (2,), b"\1\0\0\0a", "1 values in the bytes for 2 in the shape"),
    ],
)
def test_raw_contents_that_make_no_sense(datatype: str, shape: tuple[int, ...], data: bytes, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        datatypes.from_raw(datatype, shape, data, "x")


@pytest.mark.parametrize(
    ("datatype", "contents", "words"),
    [
        ("FP32", {}, r"0 values in fp32_contents for shape \[1\]"),
        ("FP32", {"fp64_contents": [1.0]}, r"0 values in fp32_contents for shape \[1\]"),
        ("FP16", {"fp32_contents": [1.0]}, "FP16 has no field in contents; send it in raw_input_contents"),
        ("INT8", {"int_contents": [128]}, "values from 128 to 128; INT8 goes from -128 to 127"),
        ("UINT16", {"uint_contents": [65536]}, "UINT16 goes from 0 to 65535"),
    ],
)
def test_contents_that_make_no_sense(datatype: str, contents: dict[str, list[float]], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        datatypes.from_contents(datatype, (1,), pb.InferTensorContents(**contents), "x")


@pytest.mark.parametrize(
    ("datatype", "data", "words"),
    [
        ("FP32", 1.0, "its data is no list"),
        ("FP32", None, "its data is no list"),
        ("FP32", [1.0, 2.0], "2 values for shape"),
        ("FP32", [], "0 values for shape"),
        ("FP32", [[1.0], [1.0, 2.0]], "no numbers, or lists of different lengths"),
        ("FP32", ["1.0"], "values that are no numbers of FP32"),
        ("FP32", [{}], "values that are no numbers of FP32"),
        ("FP32", [None], "values that are no numbers of FP32"),
        ("FP32", [True], "values that are no numbers of FP32"),
        ("INT32", [1.5], "values that are no numbers of INT32"),
        ("INT32", [float("nan")], "values that are no numbers of INT32"),
        ("INT64", [2**64], "values that are no numbers of INT64"),
        ("INT64", [2**63], "INT64 goes from"),
        ("UINT8", [-1], "UINT8 goes from 0 to 255"),
        ("UINT64", [-1], "UINT64 goes from 0 to"),
        ("UINT64", [2**64], "no numbers, or lists"),
        ("BOOL", [1], "values that are no numbers of BOOL"),
        ("BYTES", [1], "a value of BYTES is 1"),
        ("BYTES", ["\ud800"], "a value of BYTES is no Unicode text"),
    ],
)
def test_json_that_makes_no_sense(datatype: str, data: object, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        datatypes.from_json(datatype, (1,), data, "x")


def test_lists_of_any_depth_do_not_hurt() -> None:
    deep: list[object] = [1.0]
    for _ in range(500):
        deep = [deep]
    for datatype in ("FP32", "BYTES"):
        with pytest.raises(ArgumentError):
            datatypes.from_json(datatype, (1,), deep, "x")


def test_a_number_beyond_fp32_is_infinite() -> None:
    assert _array(datatypes.from_json("FP32", (1,), [1e39], "x")).tolist() == [float("inf")]


def _array(values: datatypes.Values) -> Array:
    assert isinstance(values, np.ndarray)
    return values
