"""A net's blobs by reference: found, copied out, overwritten, described."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from caffe_sdk.app.descriptions import LayerDescription, NetDescription, Shape
from caffe_sdk.blob import Blob
from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.layers.base import Layer
from caffe_sdk.memory import HOST, Array, SyncedMemory
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TRAIN, LayerParameter

BlobRef = str | tuple[str, int]
"""A blob of a net: its name, or (layer's name, index from 0) for a layer's learnable blob."""


class Values(NamedTuple):
    """What a blob's values ("data") or gradients ("diff") shall be."""

    blob: BlobRef
    which: str
    values: Array


def find(net: Net, reference: BlobRef) -> Blob:
    """The blob that is meant, or ArgumentError with the names there are."""
    where = f"net '{net.name}'" if net.name else "net"
    if isinstance(reference, str):
        if reference not in net.blobs:
            raise ArgumentError(where, f"there is no blob '{reference}'", f"its blobs are {', '.join(net.blobs)}")
        return net.blobs[reference]
    name, index = reference
    if name not in net.layer_dict:
        raise ArgumentError(where, f"there is no layer '{name}'", f"its layers are {', '.join(net.layer_dict)}")
    blobs = net.layer_dict[name].blobs
    if not 0 <= index < len(blobs):
        raise ArgumentError(f"layer '{name}'", f"there is no learnable blob {index}", f"it has {len(blobs)} of them")
    return blobs[index]


def copy_of(blob: Blob, which: str) -> Array:
    """A blob's numbers. They stay current where they are: a view would make them the host's."""
    memory = _memory(blob, which)
    memory.claim()
    return np.array(memory.read(HOST)[: blob.count].reshape(blob.shape))


def overwrite(net: Net, values: Iterable[Values]) -> None:
    """Overwrite several blobs, all or none.

    Shapes must agree but for leading axes of 1. Raises ShapeError when they do not, ArgumentError for values that are
    no numbers or blobs that do not exist.
    """
    ready = [(*_target(find(net, blob), which), np.asarray(array)) for blob, which, array in values]
    for blob, _, array in ready:
        _check(blob, array)
    for blob, memory, array in ready:
        memory.write(HOST)[: blob.count] = array.reshape(-1)


def describe(net: Net) -> NetDescription:
    """A net's layers, blobs and shapes."""
    layers = tuple(
        LayerDescription(
            name,
            layer.type,
            tuple(net.bottom_names[name]),
            tuple(net.top_names[name]),
            tuple(blob.shape for blob in layer.blobs),
        )
        for name, layer in net.layer_dict.items()
    )
    blobs = tuple((name, blob.shape) for name, blob in net.blobs.items())
    phase = "train" if net.phase == TRAIN else "test"
    return NetDescription(net.name, phase, layers, blobs, tuple(net.inputs), tuple(net.outputs))


def layer_text(layer: Layer) -> str:
    """A layer as a prototxt describes it, its weights left out."""
    config = LayerParameter()
    config.CopyFrom(layer.config)
    config.ClearField("blobs")
    return prototxt.format(config)


def _target(blob: Blob, which: str) -> tuple[Blob, SyncedMemory]:
    return blob, _memory(blob, which)


def _memory(blob: Blob, which: str) -> SyncedMemory:
    if which not in ("data", "diff"):
        raise ArgumentError("blob", f"'{which}' is no part of a blob", "use 'data' or 'diff'")
    return blob.data_memory if which == "data" else blob.diff_memory


def _check(blob: Blob, values: Array) -> None:
    if values.dtype.kind not in "fiu":
        raise ArgumentError(f"blob '{blob.name}'", f"values of type {values.dtype} are no numbers", "give float32")
    check_shape(blob, values.shape)


def check_shape(blob: Blob, shape: Shape) -> None:
    """Raise ShapeError unless values of a shape fit a blob; leading axes of 1 do not matter."""
    if _without_leading_ones(shape) != _without_leading_ones(blob.shape):
        raise ShapeError(
            f"blob '{blob.name}'",
            f"values of shape {shape} do not fit shape {blob.shape}",
            "give values of that shape, or reshape the blob first",
        )


def _without_leading_ones(shape: Shape) -> Shape:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
