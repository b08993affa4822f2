from __future__ import annotations

import numpy as np

from caffe_sdk.server.inference import pb
from caffe_sdk.server.inference.calls import Answer, Tensor, Wanted
from caffe_sdk.server.inference.messages import to_call, to_reply
from caffe_sdk.server.inference.wire import decode, encode


def test_a_request_becomes_a_call() -> None:
    request = pb.ModelInferRequest(model_name="m", model_version="2", id="7", raw_input_contents=[b"\1\0\0\0", b"a"])
    request.raw_input_contents[1] = b"\1\0\0\0a"
    request.inputs.add(name="x", datatype="INT32", shape=[1, 1])
    request.inputs.add(name="y", datatype="BYTES", shape=[1])
    request.outputs.add(name="prob").parameters["classification"].int64_param = 5
    request.parameters["priority"].uint64_param = 3
    request.parameters["nothing"].SetInParent()
    call = to_call(decode(request.SerializeToString()))
    assert (call.model, call.version, call.id) == ("m", "2", "7")
    assert call.parameters == {"priority": 3}
    assert call.outputs == [Wanted("prob", 5)]
    x, y = call.inputs
    assert isinstance(x.values, np.ndarray)
    assert (x.name, x.values.tolist()) == ("x", [[1]])
    assert (y.name, y.values) == ("y", [b"a"])


def test_an_answer_becomes_a_reply() -> None:
    numbers = np.array([[1, 2]], np.float32)
    answer = Answer(
        "m", "2", "7", [Tensor("a", "FP32", (1, 2), numbers), Tensor("b", "BYTES", (2,), [b"1:0", b"0.5:1"])]
    )
    reply = pb.ModelInferResponse.FromString(encode(to_reply(answer)))
    assert (reply.model_name, reply.model_version, reply.id) == ("m", "2", "7")
    assert [(each.name, each.datatype, list(each.shape)) for each in reply.outputs] == [
        ("a", "FP32", [1, 2]),
        ("b", "BYTES", [2]),
    ]
    assert list(reply.raw_output_contents) == [numbers.tobytes(), b"\3\0\0\x001:0\5\0\0\x000.5:1"]
    assert not reply.outputs[0].HasField("contents")
