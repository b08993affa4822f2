"""Records of preprocessing as messages."""

from __future__ import annotations

from typing import Any

from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import CHANNELS, Preprocessing, Size
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put, to_array

WHERE = "preprocessing"


def from_message(message: Any) -> Preprocessing:
    """The record that a message tells of. Raises ArgumentError for one that makes no sense."""
    channels = message.channels or "BGR"
    if channels not in CHANNELS:
        raise ArgumentError(WHERE, f"channels are '{channels}'", f"give one of {', '.join(CHANNELS)}")
    mean = to_array(message.mean, f"{WHERE}.mean") if message.HasField("mean") else None
    if mean is not None and (mean.ndim not in (1, 3) or len(mean) != len(CHANNELS[channels])):
        what = f"the mean is of shape {mean.shape}"
        raise ArgumentError(WHERE, what, f"give ({len(CHANNELS[channels])},) or with (height, width) behind")
    scale = message.scale if message.HasField("scale") else 1.0
    return Preprocessing(_size(message.resize, "resize"), _size(message.crop, "crop"), channels, mean, scale)


def to_message(record: Preprocessing) -> Any:
    """The message of a record."""
    message = pb.Preprocessing(
        resize=record.resize or (), crop=record.crop or (), channels=record.channels, scale=record.scale
    )
    if record.mean is not None:
        put(message.mean, record.mean)
    return message


def _size(sizes: Any, name: str) -> Size | None:
    if not sizes:
        return None
    if len(sizes) != 2 or min(sizes) < 1:
        raise ArgumentError(WHERE, f"{name} is {list(sizes)}", "give height and width")
    return int(sizes[0]), int(sizes[1])
