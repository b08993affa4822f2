"""MATLAB's way of saying things: arguments as they arrive, and nets as they are told of."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from caffe_sdk import preprocessing
from caffe_sdk.app.blobs import BlobRef
from caffe_sdk.app.descriptions import Shape
from caffe_sdk.app.mass import list_images
from caffe_sdk.app.session import Session
from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import CHANNELS

Options = dict[str, Any]
"""A struct of MATLAB's."""


def name_of(request: Any) -> str:
    """What a request that is none calls itself."""
    first = request[0] if isinstance(request, list) and request else request
    return repr(first) if isinstance(first, str) else f"a {type(first).__name__}"


def integer(value: Array) -> int:
    """A MATLAB scalar that is a whole number."""
    if value.size != 1 or not float(value.item()).is_integer():
        raise ArgumentError("", f"{value.reshape(-1).tolist()} is not a whole number", "give a scalar such as 3")
    return int(value.item())


def shape_of(value: Array) -> Shape:
    """A row of sizes, slowest axis last, as the shape of a blob."""
    return tuple(int(n) for n in value.reshape(-1)[::-1])


def blob_of(reference: Any) -> BlobRef:
    """A blob's name, or a layer's name with the index of one of its learnable blobs, from 1 as MATLAB counts."""
    if isinstance(reference, str):
        return reference
    layer, index = reference
    return layer, integer(index) - 1


def path_of(path: str) -> str:
    """A path as MATLAB's users write it: ~ is their folder."""
    return os.path.expanduser(path)


def image_of(array: Array) -> Array:
    """An image of MatCaffe's as Python has it: (height, width, channels), RGB, from 0 to 1."""
    if array.ndim not in (2, 3):
        raise ArgumentError("preprocess", f"an image has {array.ndim} dimensions", "give width x height x channels")
    channels = array.reshape(-1, *array.shape[-2:])[::-1]
    return np.asarray(channels.transpose(1, 2, 0) / np.float32(255), np.float32)


def pixels_of(array: Array) -> Array:
    """Images of the toolbox, H x W x C x N, as (items, channels, height, width); MATLAB leaves trailing ones out.

    Raises ArgumentError for more than four axes.
    """
    if array.ndim > 4:
        raise ArgumentError("images", f"they have {array.ndim} axes", "give height x width x channels x images")
    return array.reshape((1,) * (4 - array.ndim) + array.shape).swapaxes(-1, -2)


def items_of(items: Any, axes: int) -> Array | list[str]:
    """What goes into a net: names of files, images, or for an input of 2 ``axes`` the rows of a matrix."""
    if isinstance(items, str):
        return image_files(path_of(items))
    if isinstance(items, list):
        return [path_of(each) for each in items]
    return items.T if axes == 2 and items.ndim == 2 else pixels_of(items)


def image_files(path: str) -> list[str]:
    """A file itself, or the images of a folder."""
    return list_images(path) if os.path.isdir(path) else [path]


def turned(array: Array) -> Array:
    """Values (items, ...) as the toolbox shows them: N x F for rows, H x W x C x N for images."""
    if array.ndim <= 2:
        return array.reshape(len(array), -1).T
    return array.swapaxes(-1, -2)


def average_of(image: Any, channels: str) -> Array | None:
    """A mean in the net's order of channels: from a file as Caffe has it, or from H x W x C or C numbers in RGB."""
    if image is None or (isinstance(image, np.ndarray) and not image.size):
        return None
    if isinstance(image, str):
        return preprocessing.load_mean(path_of(image))
    order = CHANNELS[channels]
    if image.size == len(order):
        return np.asarray(image.reshape(-1)[order], np.float32)
    if image.ndim == 3 and len(image) == len(order):
        return np.asarray(image.swapaxes(-1, -2)[order], np.float32)
    what = f"its axes are {image.shape[::-1]}"
    raise ArgumentError("AverageImage", what, f"give height x width x {len(order)}, or {len(order)} numbers")


def described(session: Session, net: int, owned: bool = False) -> dict[str, Any]:
    """A net's handle, names and types: what a client needs to know to make its objects.

    The client releases a net that it has ``owned``.
    """
    found = session.describe_net(net)
    return {
        "net": net,
        "owned": owned,
        "layer_names": [layer.name for layer in found.layers],
        "layer_types": [layer.type for layer in found.layers],
        "layer_params": tuple(len(layer.params) for layer in found.layers),
        "blob_names": [name for name, _ in found.blobs],
        "inputs": list(found.inputs),
        "outputs": list(found.outputs),
    }
