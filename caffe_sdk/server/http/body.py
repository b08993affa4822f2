"""Requests for inference as bodies of HTTP, and the answers: JSON, with tensors in it or as bytes behind it.

Bytes follow the JSON in the order of their tensors. The header ``Inference-Header-Content-Length`` says where the JSON
ends; at 0 there is none, and the body is the one input of the model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from caffe_sdk.errors import ArgumentError
from caffe_sdk.server.inference import datatypes
from caffe_sdk.server.inference.calls import Answer, InferCall, Parameter, Tensor, Wanted
from caffe_sdk.server.inference.messages import classes_of, refuse_shared_memory
from caffe_sdk.serving import ServedModel

LENGTH_HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Encoded:
    """An answer's body, and how many bytes of it are JSON; None: all, and there is nothing behind it."""

    data: bytes
    json_length: int | None


class _Bytes:
    """The bytes behind the JSON, taken tensor by tensor."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def take(self, count: int, where: str) -> memoryview:
        if count > len(self._data):
            raise ArgumentError(where, f"{len(self._data)} bytes are left for its {count}", "send all of them")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def end(self) -> None:
        if self._data:
            what = f"{len(self._data)} bytes are left after the last tensor"
            raise ArgumentError("body", what, "say binary_data_size for each tensor that is sent as bytes")


def to_call(model: str, version: str, body: bytes, json_length: str | None) -> InferCall:
    """The call that a body makes. ``json_length`` is the header's text; None: the body is JSON and nothing else.

    Raises ArgumentError that says what makes no sense.
    """
    length = len(body) if json_length is None else _length(json_length, len(body))
    entries = parse(body[:length])
    rest = _Bytes(memoryview(body)[length:])
    inputs = [_tensor(each, rest) for each in _list(entries, "inputs")]
    rest.end()
    parameters = parameters_of(entries, "the request")
    binary = parameters.get("binary_data_output", False) is True
    wanted = [_wanted(each, binary) for each in _list(entries, "outputs")]
    return InferCall(model, version, _text(entries, "id", "the request", ""), inputs, wanted, parameters)


def raw_call(model: ServedModel, body: bytes, classification: str) -> InferCall:
    """The call of a body without JSON: one item of numbers, or else an encoded image, for a model of one input.

    ``classification`` is the query's: so many best classes instead of the numbers, "" for the numbers.
    """
    where = f"model '{model.name}'"
    if len(model.inputs) != 1:
        raise ArgumentError(where, f"has {len(model.inputs)} inputs", "send JSON that names them")
    if classification and not (classification.isascii() and classification.isdecimal()):
        raise ArgumentError("classification", f"is '{classification[:40]}'", "give a whole number of 0 or more")
    spec = model.inputs[0]
    shape = tuple(max(size, 1) for size in spec.shape)
    if len(body) == 4 * math.prod(shape):
        tensor = Tensor(spec.name, "FP32", shape, datatypes.from_raw("FP32", shape, body, where))
    else:
        tensor = Tensor(spec.name, "BYTES", (1,), [body])
    classes = classes_of("classification", int(classification or 0))
    wanted = [Wanted(each.name, classes, binary=False) for each in model.outputs] if classes else []
    return InferCall(model.name, model.version, "", [tensor], wanted)


def encode(answer: Answer, call: InferCall) -> Encoded:
    """The body of an answer, each tensor as the call asks for it."""
    binary = [each.binary for each in call.outputs] or [
        call.parameters.get("binary_data_output", False) is True for _ in answer.outputs
    ]
    outputs, behind = [], []
    for tensor, as_bytes in zip(answer.outputs, binary, strict=True):
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if as_bytes:
            behind.append(datatypes.to_raw(tensor.values))
            entry["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            entry["data"] = datatypes.to_json(tensor.values)
        outputs.append(entry)
    head: dict[str, Any] = {"model_name": answer.model, "model_version": answer.version, "outputs": outputs}
    if answer.id:
        head["id"] = answer.id
    text = json.dumps(head, separators=(",", ":")).encode()
    return Encoded(b"".join((text, *behind)), len(text) if behind else None)


def parse(data: bytes) -> Mapping[str, Any]:
    """The object that JSON holds; ArgumentError where it holds none."""
    try:
        return _object(json.loads(data), "the request")
    except RecursionError:
        raise ArgumentError("body", "lists in lists without end", "give the values row by row") from None
    except ValueError as error:
        what = f"this is no JSON: {error}"
        raise ArgumentError("body", what, f"send JSON, or say with {LENGTH_HEADER} where it ends") from None


def parameters_of(entries: Mapping[str, Any], where: str) -> dict[str, Parameter]:
    """The parameters of a request, an input or an output. ArgumentError for what is no plain value."""
    value = _object(entries.get("parameters", {}), f"the parameters of {where}")
    for name, each in value.items():
        if not isinstance(each, (bool, int, float, str)):
            _refuse(f"{where}: parameter '{name[:80]}'", each, "give a text, a number, true or false")
    return dict(value)


def _length(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise ArgumentError(LENGTH_HEADER, f"is '{text[:40]}'", f"give 0 to {most}, the length of the body")
    return int(text)


def _tensor(entry: object, rest: _Bytes) -> Tensor:
    entries = _object(entry, "an input")
    name = _text(entries, "name", "an input")
    where = f"input '{name[:80]}'"
    datatype, shape = _text(entries, "datatype", where), tuple(_sizes(entries, where))
    parameters = parameters_of(entries, where)
    refuse_shared_memory(where, parameters)
    size = parameters.get("binary_data_size")
    if size is None:
        values = datatypes.from_json(datatype, shape, entries.get("data"), where)
    elif "data" in entries:
        raise ArgumentError(where, "has data, and is to be behind the JSON as well", "send one of them")
    elif isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ArgumentError(where, f"its binary_data_size is {size!r:.40}", "give its bytes")
    else:
        values = datatypes.from_raw(datatype, shape, rest.take(size, where), where)
    return Tensor(name, datatype, shape, values)


def _wanted(entry: object, binary: bool) -> Wanted:
    entries = _object(entry, "an output")
    name = _text(entries, "name", "an output")
    where = f"output '{name[:80]}'"
    parameters = parameters_of(entries, where)
    refuse_shared_memory(where, parameters)
    asked = parameters.get("binary_data", binary)
    return Wanted(name, classes_of(where, parameters.get("classification", 0)), asked is True)


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(where, value, "give an object of names and values")
    return value


def _list(entries: Mapping[str, Any], name: str) -> list[object]:
    value = entries.get(name, [])
    if not isinstance(value, list):
        _refuse(f"'{name}'", value, "give a list of objects")
    return value


def _text(entries: Mapping[str, Any], name: str, where: str, otherwise: str | None = None) -> str:
    value = entries.get(name, otherwise)
    if not isinstance(value, str):
        _refuse(f"{where}: '{name}'", value, "give a text")
    return value


def _sizes(entries: Mapping[str, Any], where: str) -> list[int]:
    value = entries.get("shape")
    if not isinstance(value, list) or any(type(size) is not int for size in value):
        _refuse(f"{where}: 'shape'", value, "give a list of whole numbers")
    return value


def _refuse(where: str, value: object, remedy: str) -> NoReturn:
    raise ArgumentError(where, "is missing" if value is None else f"is {value!r:.40}", remedy)
