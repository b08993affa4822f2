"""Nets whose data is not here: layers that read a missing file or database give way to Input layers of the same shapes.

So a net that was trained elsewhere can be summed up and checked. The shapes are those its layer states: batch size,
crop and mean; where these do not say, the shape of the records is not known without them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from caffe_sdk.errors import CaffeError
from caffe_sdk.memory import Shape
from caffe_sdk.schema.messages import LayerParameter, NetParameter
from caffe_sdk.schema.wire import read_blob

PARAMETERS = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}
"""Layers that read, with the field that names their ``source``."""


@dataclass(frozen=True)
class StandIn:
    """A layer whose source is missing, and the shapes its tops are given; None when they are not known."""

    layer: str
    source: str
    shapes: tuple[Shape, ...] | None


def with_stand_ins(net: Any) -> tuple[Any, list[StandIn]]:
    """A copy of a NetParameter in which Input layers stand for layers that read what is not there."""
    new, missing = NetParameter(), []
    new.CopyFrom(net)
    for layer in new.layer:
        source = missing_source(layer)
        if source is None:
            continue
        shapes = _shapes(layer)
        missing.append(StandIn(layer.name, source, shapes))
        if shapes is not None:
            layer.CopyFrom(_input(layer, shapes))
    return new, missing


def missing_source(layer: Any) -> str | None:
    """The file or database that a layer (LayerParameter) reads and that is not there."""
    name = PARAMETERS.get(layer.type)
    source = getattr(layer, name).source if name else ""
    return source if source and not os.path.exists(source) else None


def _input(layer: Any, shapes: tuple[Shape, ...]) -> Any:
    new = LayerParameter(name=layer.name, type="Input", top=layer.top, include=layer.include, exclude=layer.exclude)
    for shape in shapes:
        new.input_param.shape.add(dim=shape)
    return new


def _shapes(layer: Any) -> tuple[Shape, ...] | None:
    """The shapes of a reading layer's tops, as far as the layer tells: images, then labels."""
    if layer.type == "HDF5Data":
        return None
    batch, image = getattr(layer, PARAMETERS[layer.type]).batch_size, _image(layer)
    return ((batch, *image), (batch,))[: len(layer.top)] if image else None


def _image(layer: Any) -> Shape | None:
    """Channels, height and width that the transform makes."""
    transform, param = layer.transform_param, getattr(layer, PARAMETERS[layer.type])
    try:
        mean = read_blob(transform.mean_file).shape[-3:] if transform.mean_file else None
    except CaffeError:
        mean = None
    gray = transform.force_gray or (layer.type == "ImageData" and not param.is_color)
    channels = mean[0] if mean else 1 if gray else 3
    crop = transform.crop_size or (param.crop_size if layer.type == "WindowData" else 0)
    if crop:
        return (channels, crop, crop)
    if layer.type == "ImageData" and param.new_height and param.new_width:
        return (channels, param.new_height, param.new_width)
    return tuple(mean) if mean else None
