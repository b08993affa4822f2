from __future__ import annotations

import random

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from caffe_sdk.server.inference import pb
from caffe_sdk.server.inference.wire import Reply, decode, encode, encode_in_stream

VALUES = np.arange(1000, dtype=np.float32)


def full_request() -> service_pb2.ModelInferRequest:
    request = service_pb2.ModelInferRequest(model_name="m", id="7", raw_input_contents=[VALUES.tobytes(), b"", b"xyz"])
    request.inputs.add(name="a", datatype="FP32", shape=[1000]).parameters["p"].int64_param = -1
    request.inputs.add(name="b").contents.fp64_contents.extend([1.0, 2.0])
    request.outputs.add(name="c")
    request.parameters["timeout"].uint64_param = 2**63
    return request


def test_a_request_is_taken_apart() -> None:
    request = full_request()
    found = decode(request.SerializeToString())
    assert [bytes(raw) for raw in found.raw] == list(request.raw_input_contents)
    request.ClearField("raw_input_contents")
    assert (found.fault, found.model_name) == ("", "m")
    assert found.message.SerializeToString(deterministic=True) == request.SerializeToString(deterministic=True)


def test_tensors_are_parts_of_what_came() -> None:
    data = full_request().SerializeToString()
    assert np.shares_memory(np.frombuffer(decode(data).raw[0], np.uint8), np.frombuffer(data, np.uint8))


def test_fields_of_every_type_and_in_any_order_are_passed_over() -> None:
    unknown = b"\x9d\x06\1\2\3\4" + b"\x99\x06\1\2\3\4\5\6\7\x08" + b"\x90\x06\x96\x01" + b"\x9a\x06\x02hi"
    data = b"\x3a\x01a" + unknown + b"\x0a\x01m" + b"\x3a\x02bc" + unknown
    found = decode(data)
    assert (found.fault, found.model_name, [bytes(raw) for raw in found.raw]) == ("", "m", [b"a", b"bc"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff" * 20, "a number has no end"),
        (b"\x3a", "a number has no end"),
        (b"\x3a\x05abc", "it is cut short"),
        (b"\x3d\x01", "it is cut short"),
        (b"\x3b", "a field of type 3"),
        (b"\x38\x01" * 10_001, "more than 10000 fields"),
        (b"\x0a\x01\xff", "Error parsing message"),
    ],
)
def test_what_is_no_request(data: bytes, words: str) -> None:
    assert words in decode(data).fault


def test_any_bytes_are_survived_as_protobuf_takes_them() -> None:
    chance = random.Random(3)
    whole = full_request().SerializeToString()
    for _ in range(500):
        data = bytearray(whole[:60] + whole[-120:])
        for _ in range(chance.randint(0, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = decode(bytes(data))
        if not found.fault:
            theirs = service_pb2.ModelInferRequest.FromString(bytes(data))
            assert [bytes(raw) for raw in found.raw] == list(theirs.raw_input_contents)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_replies_are_what_protobuf_would_write(count: int) -> None:
    message = pb.ModelInferResponse(model_name="m", id="7")
    message.outputs.add(name="a", datatype="FP32", shape=[1000])
    raw = [memoryview(VALUES.view(np.uint8)), b"", b"x" * 200][:count]
    reply = Reply(message, raw)
    theirs = service_pb2.ModelInferResponse.FromString(encode(reply))
    assert list(theirs.raw_output_contents) == [bytes(each) for each in raw]
    assert theirs.outputs[0].name == "a"
    in_stream = service_pb2.ModelStreamInferResponse.FromString(encode_in_stream(reply))
    assert (in_stream.infer_response, in_stream.error_message) == (theirs, "")


def test_an_error_in_a_stream() -> None:
    reply = Reply(pb.ModelInferResponse(id="7"), error="it is wrong")
    theirs = service_pb2.ModelStreamInferResponse.FromString(encode_in_stream(reply))
    assert (theirs.infer_response.id, theirs.error_message) == ("7", "it is wrong")
