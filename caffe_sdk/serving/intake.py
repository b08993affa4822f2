"""Requests checked and made arrays, in the thread of whoever sends them: what is wrong is told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from caffe_sdk import io
from caffe_sdk.app.images import prepare
from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.memory import Array, Shape
from caffe_sdk.preprocessing import plain
from caffe_sdk.serving.deploy import Deployed
from caffe_sdk.serving.requests import InferRequest, TensorSpec


@dataclass(frozen=True, eq=False)
class Batch:
    """The numbers of one request: float32 arrays by input."""

    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    """The blobs that are wanted."""

    @cached_property
    def items(self) -> int:
        """How many items there are."""
        return len(next(iter(self.inputs.values())))

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return sum(array.nbytes for array in self.inputs.values())

    @cached_property
    def shape(self) -> tuple[tuple[str, Shape], ...]:
        """Shapes of one item: only requests with the same can be in one batch."""
        return tuple((name, array.shape[1:]) for name, array in self.inputs.items())


def take(deployed: Deployed, request: InferRequest, where: str, max_pixels: int) -> Batch:
    """What a request asks for. Raises ArgumentError, ShapeError, CorruptFileError that say what is wrong with it.

    Images of more than ``max_pixels`` are not decoded: LimitError.
    """
    given = dict(request.inputs)
    if request.images is not None:
        name = image_input(deployed, where)
        if name in given:
            raise ArgumentError(where, f"input '{name}' is given as numbers and as images", "give one of them")
        given[name] = _images(deployed, name, request.images, where, max_pixels)
    _check_names(where, "input", given, [spec.name for spec in deployed.inputs])
    inputs = {spec.name: _numbers(spec, given[spec.name], where) for spec in deployed.inputs if spec.name in given}
    if missing := [spec.name for spec in deployed.inputs if spec.name not in inputs]:
        raise ArgumentError(
            where, f"input '{missing[0]}' is missing", f"give {', '.join(s.name for s in deployed.inputs)}"
        )
    lengths = {name: len(array) for name, array in inputs.items()}
    if deployed.free and len(set(lengths.values())) > 1:
        said = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        raise ShapeError(where, f"inputs of different numbers of items: {said}", "give as many of each")
    _check_names(where, "output", request.outputs, list(deployed.net.blobs))
    return Batch(inputs, tuple(request.outputs) or tuple(spec.name for spec in deployed.outputs))


def image_input(deployed: Deployed, where: str) -> str:
    """The input that takes images: the only one of (items, 1 or 3 channels, height, width), or ArgumentError."""
    found = [spec.name for spec in deployed.inputs if len(spec.shape) == 4 and spec.shape[1] in (1, 3)]
    if len(found) != 1:
        what = f"{len(found)} inputs may take images" if found else "no input takes images"
        raise ArgumentError(where, what, "give numbers, by the inputs' names")
    return found[0]


def _images(deployed: Deployed, name: str, images: Sequence[bytes], where: str, max_pixels: int) -> Array:
    if not images:
        raise ArgumentError(where, "there are no images", "give one or more")
    decoded = [io.decode_image(data, f"{where}: image {i}", max_pixels=max_pixels) for i, data in enumerate(images)]
    record = deployed.record or plain(deployed.items[name][0])
    return prepare(deployed.net, record, decoded)


def _check_names(where: str, kind: str, given: Iterable[str], known: list[str]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(known)}"
            raise ArgumentError(where, f"there is no {kind} '{name}'", remedy)


def _numbers(spec: TensorSpec, value: Array, where: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(where, f"input '{spec.name}' is of type {array.dtype}", "give numbers")
    fits = array.ndim == len(spec.shape) and all(
        size in (-1, of) for size, of in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or not len(array):
        wanted = ", ".join("items" if size < 0 else str(size) for size in spec.shape)
        raise ShapeError(where, f"input '{spec.name}' is of shape {array.shape}", f"give ({wanted}), one item or more")
    return np.asarray(array, np.float32)
