"""Values that pass by protobuf: what is left is the message, and nothing is copied."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put
from caffe_sdk.server import payloads
from caffe_sdk.server.native.requests import arrays_of
from caffe_sdk.server.payloads import cut, decoder

VALUES = np.arange(20_000, dtype=np.float32).reshape(2, -1)


def full_request() -> Any:
    request = pb.ForwardRequest(net=7, start="a", blobs=["b", "c"])
    for name, values in {"x": VALUES, "none": np.zeros((0, 3), np.float32), "y": VALUES[::-1]}.items():
        put(request.inputs.add(name=name).tensor, values)
    return request


def test_tensors_are_parts_of_what_came() -> None:
    request = full_request()
    data = request.SerializeToString()
    found = decoder(pb.ForwardRequest)(data)
    arrays = arrays_of(found.message.inputs, found)
    assert {name: array.shape for name, array in arrays.items()} == {"x": (2, 10_000), "none": (0, 3), "y": (2, 10_000)}
    for name, wanted in (("x", VALUES), ("y", VALUES[::-1])):
        np.testing.assert_array_equal(arrays[name], wanted)
        assert np.shares_memory(arrays[name].view(np.uint8), np.frombuffer(data, np.uint8))
    for named in (*request.inputs, *found.message.inputs):
        named.tensor.ClearField("data")
    assert found.message == request


def test_what_is_small_is_left_to_protobuf() -> None:
    request = pb.UploadBlobRequest(data=b"abc")
    found = decoder(pb.UploadBlobRequest)(request.SerializeToString())
    assert (found.values, found.of(found.message.data)) == (None, b"abc")


def test_messages_that_bring_chunks() -> None:
    chunk = bytes(payloads.WORTH)
    for kind in (pb.UploadBlobRequest, pb.UploadWeightsRequest):
        found = decoder(kind)(kind(data=chunk).SerializeToString())
        assert found.of(found.message.data) == chunk
        assert len(found.message.data) == 2


def test_a_tensor_that_is_sent_in_parts_is_their_last() -> None:
    data = full_request().SerializeToString() * 2  # protobuf merges what is there once, and appends what is a list
    found = decoder(pb.ForwardRequest)(data)
    theirs = pb.ForwardRequest.FromString(data)
    ours = [bytes(found.of(named.tensor.data)) for named in found.message.inputs]
    assert ours == [named.tensor.data for named in theirs.inputs]


def test_any_bytes_are_survived_as_protobuf_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "WORTH", 0)
    request = pb.SetBlobsRequest(net=7)
    for name in "abc":
        blob = request.blobs.add(part=pb.PART_DATA)
        blob.blob.name = name
        put(blob.values, np.arange(5, dtype=np.float32))
    whole, chance, decode = request.SerializeToString(), random.Random(3), decoder(pb.SetBlobsRequest)
    understood = 0
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(chance.randint(0, 2)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            theirs = pb.SetBlobsRequest.FromString(bytes(data))
            found = decode(bytes(data))
        except DecodeError:
            continue
        assert [bytes(found.of(b.values.data)) for b in found.message.blobs] == [b.values.data for b in theirs.blobs]
        understood += 1
    assert understood > 300


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x12\x80", "a number has no end"),
        (b"\x12\x05abc", "it is cut short"),
        (b"\x12\x02\x12\x05", "it is cut short"),
        (b"\x13", "a field of type 3"),
        (b"\x08\x01" * 10_001, "more than 10000 fields"),
        (b"\x12\x00" * 10_001, "more than 10000 fields"),
    ],
)
def test_what_is_no_message(data: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        cut(data, pb.ForwardRequest.DESCRIPTOR)
