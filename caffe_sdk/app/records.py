"""The record of preprocessing of a model, from what its training says of images."""

from __future__ import annotations

from typing import Any

from caffe_sdk.errors import ArgumentError
from caffe_sdk.graph.state import filter_net, net_state
from caffe_sdk.preprocessing import Preprocessing, Size, from_transform, record_path
from caffe_sdk.schema import prototxt, upgrade, wire
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter

SOURCES = ("Data", "ImageData", "WindowData", "MemoryData")
"""Layer types whose ``transform_param`` says how images become a net's input."""


def write_record(model: PathLike, weights: PathLike, resize: Size | None = None, channels: int = 0) -> str:
    """Write the record beside a .caffemodel; gives its path.

    ``model`` is the prototxt the weights were trained with. ``resize`` is (height, width) of the images in its
    databases; lists of images say it themselves. ``channels`` is 1 or 3, by default what the first convolution takes.
    Raises ArgumentError where the model has no source of images or the channels are not to be seen, and FileErrors.
    """
    layer = _source(model)
    images = layer.image_data_param
    if layer.type == "ImageData" and images.new_height and images.new_width:
        resize = images.new_height, images.new_width
    record: Preprocessing = from_transform(layer.transform_param, channels or _channels(weights), resize)
    path = record_path(weights)
    record.save(path)
    return path


def _source(model: PathLike) -> Any:
    """The layer that images come from: of phase TEST, which crops the centre, or else of TRAIN."""
    config = upgrade.upgrade_net(prototxt.read(model, NetParameter))
    for phase in (TEST, TRAIN):
        for layer in filter_net(config, net_state(config, phase, 0, [])).layer:
            if layer.type in SOURCES:
                return layer
    what = f"there is no layer of type {', '.join(SOURCES)}"
    raise ArgumentError(str(model), what, "give the net that was trained, not the one for use")


def _channels(weights: PathLike) -> int:
    for layer in wire.read_net(weights).layers:
        if layer.type.lower() in ("convolution", "conv") and layer.blobs:  # today's, V1, V0
            return int(layer.blobs[0].data.shape[1])
    raise ArgumentError(str(weights), "the channels of images are not to be seen", "say -channels 1 or 3")
