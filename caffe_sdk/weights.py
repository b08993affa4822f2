"""Weights between files and nets: matched by layer name, checked whole before anything is changed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.errors import WeightsError
from caffe_sdk.memory import HOST, Array, Shape
from caffe_sdk.schema.wire import BlobArray, LayerWeights

log = logging.getLogger(__name__)


class LayerCopy(NamedTuple):
    """What became of one layer's weights, and the shapes of its blobs in the source and in the net (None: no layer)."""

    layer: str
    outcome: str
    """``copied``, ``new`` (the source has none), ``ignored`` (the net has none) or ``mismatched`` (skipped)."""
    source: tuple[Shape, ...] | None
    target: tuple[Shape, ...] | None


@dataclass(frozen=True)
class CopyReport:
    """What was loaded: every layer with weights in the net, in its order, then those that only the source has.

    Printed it is a table.
    """

    where: str
    layers: tuple[LayerCopy, ...]

    @property
    def copied(self) -> list[str]:
        """Layers that have the source's weights now."""
        return self._names("copied")

    @property
    def new(self) -> list[str]:
        """Layers that keep their values because the source has none for them."""
        return self._names("new")

    @property
    def ignored(self) -> list[str]:
        """Layers of the source that the net does not have."""
        return self._names("ignored")

    @property
    def mismatched(self) -> list[str]:
        """Layers that keep their values because the source's are of other shapes (``skip_mismatch``)."""
        return self._names("mismatched")

    def _names(self, outcome: str) -> list[str]:
        return [each.layer for each in self.layers if each.outcome == outcome]

    def __str__(self) -> str:
        rows = [("layer", "weights", "source", "net")]
        rows += [(each.layer, each.outcome, _shapes(each.source), _shapes(each.target)) for each in self.layers]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        counts = [f"{len(self._names(kind))} {kind}" for kind in ("copied", "new", "ignored", "mismatched")]
        return "\n".join([f"Weights of {self.where}: {', '.join(counts)}", *(f"  {line}" for line in lines)])


def copy_weights(
    source: Iterable[LayerWeights],
    target: Mapping[str, Sequence[Blob]],
    where: str,
    skip_mismatch: bool = False,
    give: bool = False,
) -> CopyReport:
    """Copy weights into the parameters of layers of the same name; tells what became of each layer.

    Layers the target lacks are ignored (and logged, in Caffe's words); a layer of the target that the source lacks
    keeps its values. WeightsError when the number or a shape of a layer's blobs differs; then nothing was changed. With
    ``skip_mismatch`` such a layer keeps all its values instead. ``where`` is the file or net the weights come from.
    With ``give`` the source's arrays become the blobs' own where they can: nobody else may use them any more.
    """
    plan: list[tuple[Blob, BlobArray]] = []
    told: dict[str, LayerCopy] = {}
    ignored: list[LayerCopy] = []
    for layer in source:
        shapes = tuple(tuple(values.shape) for values in layer.blobs)
        blobs = target.get(layer.name)
        if blobs is None:
            log.info("Ignoring source layer %s", layer.name)
            ignored += [LayerCopy(layer.name, "ignored", shapes, None)] if shapes else []
            continue
        error = _misfit(layer, blobs, where)
        if error is not None and not skip_mismatch:
            raise error
        if error is not None:
            log.warning("Layer '%s' keeps its values: those of %s have other shapes", layer.name, where)
        plan += zip(blobs, layer.blobs, strict=True) if error is None else []
        outcome = "copied" if error is None else "mismatched"
        told[layer.name] = LayerCopy(layer.name, outcome, shapes, tuple(blob.shape for blob in blobs))
    for blob, values in plan:
        numbers = values.data.reshape(-1)
        if give:
            blob.data_memory.take(numbers)
        else:
            blob.data_memory.write(HOST)[: blob.count] = numbers
    rows = (
        told.get(name) or LayerCopy(name, "new", None, tuple(blob.shape for blob in blobs))
        for name, blobs in target.items()
        if blobs
    )
    return CopyReport(where, (*rows, *ignored))


def _misfit(layer: LayerWeights, blobs: Sequence[Blob], where: str) -> WeightsError | None:
    """Why a layer's weights do not fit; None when they do."""
    if len(blobs) != len(layer.blobs):
        return WeightsError(
            where,
            f"Incompatible number of blobs for layer '{layer.name}': {len(layer.blobs)} in the source, "
            f"{len(blobs)} in the net",
            "load weights of this net, or rename the layer to learn it from scratch",
        )
    for index, (blob, values) in enumerate(zip(blobs, layer.blobs, strict=True)):
        if not _same_shape(blob.shape, values):
            return WeightsError(where, *_mismatch(layer.name, index, blob.shape, values.shape))
    return None


def _shapes(shapes: Sequence[Shape] | None) -> str:
    return "-" if shapes is None else ", ".join("x".join(map(str, shape)) or "()" for shape in shapes)


def as_array(blob: Blob, diffs: bool = False) -> BlobArray:
    """A blob as files hold it: its values, and its gradients if ``diffs``. The arrays are views, not copies."""
    data = _host(blob.data_memory.read(HOST), blob.shape)
    return BlobArray(data, _host(blob.diff_memory.read(HOST), blob.shape) if diffs else None)


def _host(flat: Array, shape: Shape) -> Array:
    return np.asarray(flat[: math.prod(shape)].reshape(shape))


def _same_shape(shape: Shape, values: BlobArray) -> bool:
    """Whether shapes agree; a legacy blob (num, channels, height, width) agrees when leading ones make it so."""
    if not values.legacy:
        return tuple(values.shape) == shape
    return len(shape) <= 4 and tuple(values.shape) == (1,) * (4 - len(shape)) + shape


def _mismatch(layer: str, index: int, expected: Shape, got: Shape) -> tuple[str, str]:
    return (
        f"Cannot copy param {index} weights from layer '{layer}'; shape mismatch. "
        f"Source param shape is {_words(got)}; target param shape is {_words(expected)}",
        "To learn this layer's parameters from scratch rather than copying from a saved net, rename the layer.",
    )


def _words(shape: Sequence[int]) -> str:
    return f"{' '.join(map(str, shape))} ({math.prod(shape)})"
