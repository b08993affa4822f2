"""Weights between files and nets: matched by layer name, checked whole before anything is changed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.errors import WeightsError
from caffe_sdk.memory import HOST, Array, Shape
from caffe_sdk.schema.wire import BlobArray, LayerWeights

log = logging.getLogger(__name__)


def copy_weights(source: Iterable[LayerWeights], target: Mapping[str, Sequence[Blob]], where: str) -> list[str]:
    """Copy weights into the parameters of layers of the same name; returns the names that were copied.

    Layers the target lacks are ignored (and logged, in Caffe's words); a layer of the target that the source lacks
    keeps its values. WeightsError when the number or a shape of a layer's blobs differs; then nothing was changed.
    ``where`` is the file or net the weights come from.
    """
    plan: list[tuple[Blob, BlobArray]] = []
    copied = []
    for layer in source:
        blobs = target.get(layer.name)
        if blobs is None:
            log.info("Ignoring source layer %s", layer.name)
            continue
        if len(blobs) != len(layer.blobs):
            raise WeightsError(
                where,
                f"Incompatible number of blobs for layer '{layer.name}': {len(layer.blobs)} in the source, "
                f"{len(blobs)} in the net",
                "load weights of this net, or rename the layer to learn it from scratch",
            )
        for index, (blob, values) in enumerate(zip(blobs, layer.blobs, strict=True)):
            if not _same_shape(blob.shape, values):
                raise WeightsError(where, *_mismatch(layer.name, index, blob.shape, values.shape))
            plan.append((blob, values))
        if blobs:
            copied.append(layer.name)
    for blob, values in plan:
        blob.data_memory.write(HOST)[: blob.count] = values.data.reshape(-1)
    return copied


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
