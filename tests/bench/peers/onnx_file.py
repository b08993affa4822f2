"""A description as an ONNX model (version 13 of the operators), written field by field: messages nest, nothing more.

The numbers of the fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.bench.peers.description import Description, Operation

IR_VERSION, OPERATORS = 8, 13
FLOAT = 1  # TensorProto.DataType
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7  # AttributeProto.AttributeType


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message: an integer, a 32-bit float, or a string, which messages are too."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + np.float32(value).tobytes()
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _all(number: int, values: Sequence[Any]) -> bytes:
    return b"".join(field(number, value) for value in values)


def _attribute(name: str, value: int | float | list[int]) -> bytes:
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, ATTRIBUTE_INT)
    return field(1, name) + _all(8, value) + field(20, ATTRIBUTE_INTS)


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: int | float | list[int]) -> bytes:
    ends = _all(1, inputs) + field(2, output) + field(4, operator)
    return ends + _all(5, [_attribute(name, value) for name, value in attributes.items()])


def _tensor(name: str, array: Any) -> bytes:
    data = np.ascontiguousarray(array, np.float32).tobytes()
    return _all(1, array.shape) + field(2, FLOAT) + field(8, name) + field(9, data)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dimensions = _all(1, [field(1, size) for size in shape])
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dimensions)))


def _window(how: dict[str, Any]) -> dict[str, list[int]]:
    begin, end = how["pad"], how.get("end", how["pad"])
    sizes = {"kernel_shape": [how["kernel"]] * 2, "strides": [how["stride"]] * 2}
    return {**sizes, "pads": [begin, begin, end, end]}


def _nodes(op: Operation) -> list[bytes]:
    """The nodes that compute an operation; none for dropout, which does nothing in inference."""
    inputs, how = [*op.inputs, *op.weights], op.how
    match op.kind:
        case "convolution":
            return [_node("Conv", inputs, op.output, group=how["group"], **_window(how))]
        case "max_pool":
            return [_node("MaxPool", inputs, op.output, **_window(how))]
        case "average_pool":
            return [_node("AveragePool", inputs, op.output, **_window(how))]
        case "lrn":
            more = {"size": how["size"], "alpha": how["alpha"], "beta": how["beta"], "bias": how["k"]}
            return [_node("LRN", inputs, op.output, **more)]
        case "dense":
            flat = f"{op.output}/flat"
            flatten = _node("Flatten", op.inputs, flat, axis=1)
            return [flatten, _node("Gemm", [flat, *op.weights], op.output, transB=1)]
        case "batch_norm":
            return [_node("BatchNormalization", inputs, op.output, epsilon=how["epsilon"])]
        case "concat":
            return [_node("Concat", inputs, op.output, axis=1)]
        case "softmax":
            return [_node("Softmax", inputs, op.output, axis=1)]
        case "dropout":
            return [_node("Identity", inputs, op.output)]
    return [_node({"relu": "Relu", "add": "Add"}[op.kind], inputs, op.output)]


def model(description: Description, shape: Sequence[int], result: Sequence[int]) -> bytes:
    """The model's file: the input ``data`` and the result have these shapes."""
    graph = [field(1, node) for op in description.operations for node in _nodes(op)]
    graph.append(field(2, "net"))
    graph += [field(5, _tensor(name, array)) for name, array in description.weights.items()]
    graph += [field(11, _value("data", shape)), field(12, _value(description.result, result))]
    return field(1, IR_VERSION) + field(7, b"".join(graph)) + field(8, field(2, OPERATORS))
