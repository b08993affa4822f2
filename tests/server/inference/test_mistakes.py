"""Requests that make no sense: refused with the right status and clear words, and nothing is hurt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from caffe_sdk.server import RunningServer
from tests.server.squeezenet import SqueezeNet

SHAPE = [1, 3, 227, 227]
RAW = np.zeros(SHAPE, np.float32).tobytes()
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
ALLOWED_UNUSUAL = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.DATA_LOSS}


@pytest.fixture(scope="module")
def stub(squeezenet_server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(squeezenet_server.address) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(**changes: Any) -> Any:
    """A request that is right but for the changes to its one input, or to itself."""
    made = service_pb2.ModelInferRequest(model_name=changes.pop("model_name", "squeezenet"))
    tensor = made.inputs.add(name="data", datatype="FP32", shape=SHAPE)
    for name in ("name", "datatype"):
        if name in changes:
            setattr(tensor, name, changes.pop(name))
    if "shape" in changes:
        del tensor.shape[:]
        tensor.shape.extend(changes.pop("shape"))
    made.raw_input_contents.extend(changes.pop("raw", [RAW]))
    for name, value in changes.pop("parameters", {}).items():
        field = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[type(value)]
        setattr(made.parameters[name], field, value)
    for name, value in changes.items():
        getattr(made, name).extend(value) if isinstance(value, list) else setattr(made, name, value)
    return made


def outcome(stub: Any, made: Any) -> tuple[grpc.StatusCode, str]:
    return status_of(stub.ModelInfer, made)


def status_of(call: Any, made: Any) -> tuple[grpc.StatusCode, str]:
    try:
        call(made)
    except grpc.RpcError as error:
        failed: Any = error
        return failed.code(), failed.details()
    return grpc.StatusCode.OK, ""


Tensor = service_pb2.ModelInferRequest.InferInputTensor
Output = service_pb2.ModelInferRequest.InferRequestedOutputTensor
Parameter = service_pb2.InferParameter


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"raw": [RAW[:-4]]}, "618344 bytes for shape"),
        ({"raw": [RAW, RAW]}, "raw_input_contents: 2 for 1 inputs; send all tensors there, or none"),
        ({"raw": []}, "0 values in fp32_contents"),
        ({"shape": [1, 3, 227, -227]}, "give sizes of 0 or more"),
        ({"shape": [2**40, 3, 227, 227]}, "bytes for shape"),
        ({"shape": [2**62, 2**62, 4]}, "bytes for shape"),
        ({"shape": [3, 227, 227]}, "data' is of shape (3, 227, 227)"),
        ({"shape": [1, 227, 227, 3]}, "data' is of shape (1, 227, 227, 3)"),
        ({"shape": [0, 3, 227, 227], "raw": [b""]}, "one item or more"),
        ({"shape": [], "raw": [RAW[:4]]}, "data' is of shape ()"),
        ({"datatype": "FP64"}, "of FP64; give 1236696"),
        ({"datatype": "float"}, "there is no datatype 'float'"),
        ({"name": "wrong"}, "there is no input 'wrong'; use one of: data"),
        ({"name": ""}, "there is no input ''"),
        ({"datatype": "BYTES", "shape": [1], "raw": [RAW[:5]]}, "the bytes end within value 1"),
        ({"datatype": "BYTES", "shape": [1], "raw": [b"\4\0\0\0abcd"]}, "image"),
        ({"datatype": "BYTES", "shape": [1], "raw": [b"\0\0\0\0"]}, "image"),
        ({"datatype": "BYTES", "shape": [0], "raw": [b""]}, "there are no images"),
        ({"datatype": "BYTES", "shape": [1, 2], "raw": [b"\0" * 8]}, "in shape [n] or [n, 1]"),
        ({"datatype": "BYTES", "shape": [1], "raw": [b"\0" * 4], "name": "other"}, "there is no input 'other'"),
        ({"inputs": [Tensor(name="data", datatype="FP32", shape=SHAPE)], "raw": [RAW, RAW]}, "is given twice"),
        ({"outputs": [Output(name="nothing")]}, "there is no output 'nothing'"),
        ({"outputs": [Output(name="prob", parameters={"classification": Parameter(int64_param=-1)})]}, "is -1"),
        ({"outputs": [Output(name="prob", parameters={"classification": Parameter(string_param="5")})]}, "is '5'"),
        ({"parameters": {"timeout": -1}}, "parameter 'timeout': is -1"),
        ({"parameters": {"timeout": "1"}}, "parameter 'timeout': is '1'"),
        ({"parameters": {"timeout": True}}, "parameter 'timeout': is True"),
        ({"parameters": {"priority": 1.5}}, "parameter 'priority': is 1.5"),
    ],
)
def test_wrong_requests(stub: Any, changes: dict[str, Any], words: str) -> None:
    status, details = outcome(stub, request(**changes))
    assert status in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS), details
    assert words in details


def test_contents_beside_raw_contents(stub: Any) -> None:
    made = request()
    made.inputs[0].contents.fp32_contents.append(1)
    status, details = outcome(stub, made)
    assert (status, details) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "input 'data': has contents, and raw contents came too; send one of them",
    )


def test_tensors_in_shared_memory(stub: Any) -> None:
    made = request()
    made.inputs[0].parameters["shared_memory_region"].string_param = "mine"
    assert outcome(stub, made)[0] is grpc.StatusCode.UNIMPLEMENTED
    made = request(outputs=[Output(name="prob", parameters={"shared_memory_region": Parameter(string_param="mine")})])
    assert outcome(stub, made)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_typed_contents(stub: Any, squeezenet: SqueezeNet) -> None:
    made = request(raw=[])
    made.inputs[0].contents.fp32_contents.extend(squeezenet.input.reshape(-1))
    answer = stub.ModelInfer(made)
    got = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(answer.outputs[0].shape)
    np.testing.assert_array_equal(got, squeezenet.forward(squeezenet.input))


def test_an_empty_request(stub: Any) -> None:
    assert outcome(stub, service_pb2.ModelInferRequest())[0] is grpc.StatusCode.NOT_FOUND
    made = service_pb2.ModelInferRequest(model_name="squeezenet")
    assert outcome(stub, made)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_any_mutation_is_survived(squeezenet_server: RunningServer, stub: Any) -> None:
    """Bytes of a small request changed by chance: each is answered or refused, and the next right one is answered."""
    chance = random.Random(9)
    small = request(shape=[1, 2], raw=[b"12345678"], parameters={"timeout": 5_000_000}).SerializeToString()
    with grpc.insecure_channel(squeezenet_server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for _ in range(300):
            data = bytearray(small)
            for _ in range(chance.randint(1, 4)):
                place = chance.randrange(len(data))
                data[place : place + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 3))
            status, details = status_of(call, bytes(data))
            assert status in ALLOWED | ALLOWED_UNUSUAL, (details, data)
    assert stub.ModelInfer(request()).outputs[0].shape == [1, 1000, 1, 1]


@pytest.mark.parametrize(
    "data", [b"\xff" * 100, b"\x3a\x05abc", b"\x3b", b"\x0a\x01", b"\x0a\x01\xff", b"\x38\x01" * 20_000]
)
def test_bytes_that_are_no_message(squeezenet_server: RunningServer, stub: Any, data: bytes) -> None:
    with grpc.insecure_channel(squeezenet_server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            call(data)
    failed: Any = caught.value
    assert failed.code() is grpc.StatusCode.INVALID_ARGUMENT, failed.details()
    assert outcome(stub, request())[0] is grpc.StatusCode.OK
