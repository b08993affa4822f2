from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.server.http import body
from caffe_sdk.server.inference.calls import Answer, InferCall, Tensor, Wanted


def written(*inputs: dict[str, Any], **entries: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **entries}).encode()


def test_a_body_becomes_a_call() -> None:
    head = written(
        {"name": "a", "datatype": "INT32", "shape": [2], "data": [1, 2]},
        {"name": "b", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
        {"name": "c", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
        id="7",
        parameters={"priority": 2, "mine": "x", "binary_data_output": True},
        outputs=[{"name": "p"}, {"name": "q", "parameters": {"classification": 3, "binary_data": False}}],
    )
    behind = np.float32(1.5).tobytes() + b"\1\0\0\0z"
    call = body.to_call("m", "2", head + behind, str(len(head)))
    assert (call.model, call.version, call.id, call.parameters["priority"]) == ("m", "2", "7", 2)
    assert call.outputs == [Wanted("p", 0, binary=True), Wanted("q", 3, binary=False)]
    assert [np.asarray(each.values).tolist() for each in call.inputs] == [[1, 2], [1.5], [b"z"]]


def test_an_answer_becomes_a_body() -> None:
    numbers = np.array([[0.5, 2]], np.float32)
    answer = Answer("m", "2", "7", [Tensor("p", "FP32", (1, 2), numbers), Tensor("q", "BYTES", (1,), [b"2:1"])])
    encoded = body.encode(answer, InferCall("m", outputs=[Wanted("p", binary=True), Wanted("q", 1, binary=False)]))
    assert encoded.json_length is not None
    assert encoded.data[encoded.json_length :] == numbers.tobytes()
    assert json.loads(encoded.data[: encoded.json_length]) == {
        "model_name": "m",
        "model_version": "2",
        "id": "7",
        "outputs": [
            {"name": "p", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "q", "datatype": "BYTES", "shape": [1], "data": ["2:1"]},
        ],
    }


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_that_nobody_named_come_as_the_request_says(binary: bool) -> None:
    answer = Answer("m", "1", "", [Tensor("p", "FP32", (1,), np.zeros(1, np.float32))])
    encoded = body.encode(answer, InferCall("m", parameters={"binary_data_output": binary}))
    assert (encoded.json_length is not None) is binary


@pytest.mark.parametrize("size", [-1, True, "4", 1.5])
def test_sizes_that_are_none(size: object) -> None:
    tensor = {"name": "a", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
    with pytest.raises(ArgumentError, match="its binary_data_size is"):
        body.to_call("m", "", written(tensor), None)


class TwoInputs:
    """As much of a served model as matters here."""

    name, inputs = "m", (1, 2)


class OneInput:
    version = "1"
    name = "m"
    inputs, outputs = (Tensor("data", "FP32", (-1, 2), []),), (Tensor("p", "FP32", (-1, 1), []),)


def test_whole_bodies() -> None:
    model: Any = OneInput()
    numbers = body.raw_call(model, np.array([1, 2], np.float32).tobytes(), "")
    assert np.asarray(numbers.inputs[0].values).tolist() == [[1, 2]]
    assert not numbers.outputs
    image = body.raw_call(model, b"PNG", "5")
    assert (image.inputs[0].datatype, image.inputs[0].values) == ("BYTES", [b"PNG"])
    assert image.outputs == [Wanted("p", 5, binary=False)]
    with pytest.raises(ArgumentError, match="'-1'; give a whole number"):
        body.raw_call(model, b"", "-1")
    two: Any = TwoInputs()
    with pytest.raises(ArgumentError, match="has 2 inputs; send JSON that names them"):
        body.raw_call(two, b"", "")
