"""One request for inference, whatever carries it: what the client says, and what it is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.server.inference.datatypes import Values
from caffe_sdk.serving import InferRequest, InferResult, Pending, Repository, ServedModel

Parameter = bool | int | float | str


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a request or an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values


@dataclass(frozen=True)
class Wanted:
    """An output that the client asks for."""

    name: str
    classification: int = 0
    """So many best classes instead of the numbers; 0: the numbers."""
    binary: bool = True
    """Over HTTP: behind the JSON, instead of in it."""


@dataclass(frozen=True, eq=False)
class InferCall:
    """What a client wants computed."""

    model: str
    version: str = ""
    id: str = ""
    inputs: Sequence[Tensor] = ()
    outputs: Sequence[Wanted] = ()
    """Those named; none: all of the model's, as numbers."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answer:
    """What the client gets."""

    model: str
    version: str
    id: str
    outputs: list[Tensor]


class Running:
    """A call under way."""

    def __init__(self, model: ServedModel, call: InferCall, pending: Pending) -> None:
        self._model, self._call, self.pending = model, call, pending

    def answer(self) -> Answer:
        """Wait for the result; raises what became of the request instead."""
        result = self.pending.result()
        wanted = self._call.outputs or [Wanted(name) for name in result.outputs]
        outputs = [_output(self._model, result, each) for each in wanted]
        return Answer(self._model.name, self._model.version, self._call.id, outputs)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.pending.cancel()


def start(repository: Repository, call: InferCall, remaining: float | None = None) -> Running:
    """Hand a call to its model. ``remaining`` is how many seconds the client will wait at most, None for ever.

    Raises HandleError for a model or version there is none of, and what `ServedModel.submit` raises.
    """
    model = repository.get(call.model, call.version)
    inputs, images = _split(call.inputs)
    known = [spec.name for spec in model.inputs]
    for tensor in call.inputs:
        if tensor.datatype == "BYTES" and tensor.name not in known:
            where = f"model '{model.name}'"
            raise ArgumentError(where, f"there is no input '{tensor.name}'", f"use one of: {', '.join(known)}")
    outputs = tuple(dict.fromkeys(each.name for each in call.outputs))
    request = InferRequest(inputs, images, outputs, _whole(call, "priority"), deadline(call, remaining), call.id)
    return Running(model, call, model.submit(request))


def deadline(call: InferCall, remaining: float | None) -> float | None:
    """When the answer is of no use any more, by `time.monotonic`.

    That is after the parameter ``timeout`` (microseconds; 0 is none), or what the client will wait, whichever is less.
    """
    given = _whole(call, "timeout") / 1e6
    seconds = min((each for each in (given or None, remaining) if each is not None), default=None)
    return None if seconds is None else time.monotonic() + seconds


def _whole(call: InferCall, name: str) -> int:
    """A parameter that is a whole number of 0 or more; 0 where there is none."""
    value = call.parameters.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ArgumentError(f"parameter '{name}'", f"is {value!r:.40}", "give a whole number of 0 or more")
    return value


def _split(tensors: Sequence[Tensor]) -> tuple[dict[str, Array], list[bytes] | None]:
    """Numbers by name, and the images if there are any: a tensor of BYTES of shape (n) or (n, 1)."""
    inputs: dict[str, Array] = {}
    images: list[bytes] | None = None
    seen = set()
    for tensor in tensors:
        where = f"input '{tensor.name}'"
        if tensor.name in seen:
            raise ArgumentError(where, "is given twice", "give each input once")
        seen.add(tensor.name)
        if not isinstance(tensor.values, list):
            inputs[tensor.name] = tensor.values
        elif images is not None:
            raise ArgumentError(where, "is the second tensor of BYTES", "give images for one input")
        elif len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
            what = f"BYTES of shape {list(tensor.shape)}"
            raise ArgumentError(where, what, "give encoded images in shape [n] or [n, 1]")
        else:
            images = tensor.values
    return inputs, images


def _output(model: ServedModel, result: InferResult, wanted: Wanted) -> Tensor:
    numbers = result.outputs[wanted.name]
    if not wanted.classification:
        return Tensor(wanted.name, "FP32", numbers.shape, numbers)
    batched = any(spec.name == wanted.name and spec.shape[:1] == (-1,) for spec in model.outputs)
    rows = numbers.reshape(len(numbers), -1) if batched else numbers.reshape(1, -1)
    count = min(wanted.classification, rows.shape[1])
    classes = [text for row in rows for text in _best(row, count, model.labels)]
    return Tensor(wanted.name, "BYTES", (len(rows), count) if batched else (count,), classes)


def _best(row: Array, count: int, labels: Sequence[str] | None) -> list[bytes]:
    """The ``count`` largest of a row, largest first, as Triton writes them: ``value:index:label``."""
    texts = []
    for index in np.argsort(-row, kind="stable")[:count].tolist():
        label = f":{labels[index]}" if labels is not None and index < len(labels) else ""
        texts.append(f"{row[index]:f}:{index}{label}".encode())
    return texts
