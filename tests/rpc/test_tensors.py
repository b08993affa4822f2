from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put, put_all, to_array


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u1", ">f4", ">i8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_come_back_as_they_were(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> None:
    values = (rng.random(shape) * 100).astype(dtype)
    back = to_array(pb.Tensor.FromString(put(pb.Tensor(), values).SerializeToString()))
    np.testing.assert_array_equal(back, values)
    assert back.dtype == values.dtype.newbyteorder("<")
    assert back.shape == values.shape


@pytest.mark.parametrize("dtype", ["f2", "i2", "u4", "?"])
def test_other_types_travel_as_float32(dtype: str) -> None:
    back = to_array(put(pb.Tensor(), np.array([0, 1], dtype)))
    assert (back.dtype, back.tolist()) == (np.float32, [0.0, 1.0])


def test_order_in_memory_does_not_matter(rng: np.random.Generator) -> None:
    values = rng.random((3, 4, 5), np.float32)
    for each in (values.T, values[::2, ::-1]):
        np.testing.assert_array_equal(to_array(put(pb.Tensor(), each)), each)


def test_the_wire_is_little_endian_row_major() -> None:
    tensor = put(pb.Tensor(), np.array([[1, 2], [3, 4]], ">i4"))
    assert (list(tensor.shape), tensor.type) == ([2, 2], pb.DATA_TYPE_INT32)
    assert tensor.data == bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])


def test_named_arrays_come_in_order() -> None:
    message = pb.ForwardRequest()
    put_all(message.inputs, {"b": [1.0], "a": [[2]]})
    assert [(named.name, to_array(named.tensor).tolist()) for named in message.inputs] == [("b", [1.0]), ("a", [[2]])]


def test_no_type_means_float32() -> None:
    assert to_array(pb.Tensor(shape=[1], data=np.float32(2.5).tobytes())).tolist() == [2.5]


def test_received_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        to_array(put(pb.Tensor(), np.zeros(3)))[0] = 1


@pytest.mark.parametrize("values", [np.array("x"), np.array([object()]), np.zeros(2, complex)])
def test_only_numbers_travel(values: object) -> None:
    with pytest.raises(ArgumentError, match="are no numbers"):
        put(pb.Tensor(), values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (pb.Tensor(shape=[2], data=b"1234567"), r"7 bytes given for shape \(2,\) of float32"),
        (pb.Tensor(shape=[2**40, 2**40], data=b""), "0 bytes given for shape"),
        (pb.Tensor(shape=[-1, -1], data=b"1234"), "sizes of 0 or more"),
        (pb.Tensor(shape=[1], type=99, data=b"1234"), "99 is no DataType; use one of DATA_TYPE_FLOAT32"),
    ],
)
def test_bad_tensors(tensor: object, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        to_array(tensor)
