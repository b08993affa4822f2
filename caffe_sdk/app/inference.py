"""Images in any form through a net that a session holds: arrays of pixels or files, as many as there are, in batches.

It asks the session for single steps only, so it works for nets that are somewhere else too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk import io
from caffe_sdk.app.descriptions import NetDescription, Shape
from caffe_sdk.app.images import NO_RECORD
from caffe_sdk.app.session import Session
from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.memory import Array
from caffe_sdk.preprocessing import Preprocessing, plain

log = logging.getLogger(__name__)

Items = Array | Sequence[str] | Sequence[Array]
"""Pixels (items, channels, height, width) from 0 to 255, RGB or grey, or whatever else (items, ...) a net takes; the
names of image files; or images (height, width, channels) from 0 to 255 of sizes of their own."""
BATCH = 64


class Input(NamedTuple):
    """The blob that items go into, and its shape."""

    name: str
    shape: Shape


def run(
    session: Session, net: int, items: Items, blobs: Sequence[str] = (), batch: int | None = None
) -> dict[str, Array]:
    """The ``blobs`` asked for, by default the net's outputs, of all items: (items, ...) each.

    Images are prepared as the net's record says. At most ``batch`` items, by default BATCH, go through the net
    at a time, and its batch size stays what that made it. Raises ArgumentError for items that do not fit, and for blobs
    that do not have a row for each item.
    """
    if not len(items):
        raise ArgumentError("images", "there are none", "give one or more")
    size = min(len(items), batch or BATCH)
    if size < 1:
        raise ArgumentError("images", f"batches of {size}", "give 1 or more")
    target = first_input(session.describe_net(net))
    record = session.preprocessing(net)
    if record is None:
        record = _assumed(target)
    if target.shape[0] != size:
        session.reshape_blob(net, target.name, (size, *target.shape[1:]))
        session.reshape_net(net)
    parts: list[dict[str, Array]] = []
    for start in range(0, len(items), size):
        rows = prepared(target, record, items[start : start + size])
        filled = np.zeros((size, *rows.shape[1:]), np.float32)
        filled[: len(rows)] = rows
        parts.append(session.forward(net, {target.name: filled}, blobs=blobs))
    return {name: _joined(name, [part[name] for part in parts], size, len(items)) for name in blobs or parts[0]}


def first_input(net: NetDescription) -> Input:
    """The blob that images go into. ArgumentError for a net that takes none, or more than one blob."""
    if len(net.inputs) != 1:
        what = f"it has the inputs {', '.join(net.inputs)}" if net.inputs else "it reads its data itself"
        raise ArgumentError(f"net '{net.name}'", what, "give a deploy net, which has one input")
    return Input(net.inputs[0], dict(net.blobs)[net.inputs[0]])


def prepared(target: Input, record: Preprocessing, items: Items) -> Array:
    """What the net takes for items: (items, ...) as its input has it. Raises ArgumentError where they do not fit.

    What is no image, for having another number of axes or of channels, is only shifted and scaled as the record says.
    """
    if not isinstance(items, np.ndarray):
        if len(target.shape) != 4:
            raise ArgumentError(f"input '{target.name}'", f"its shape is {target.shape}", "give a net for images")
        size = target.shape[2:]
        rows = [
            record.apply(io.load_image(each), size) if isinstance(each, str) else record.apply_pixels(each, size)
            for each in items
        ]
    elif len(target.shape) == 4 and target.shape[1] in (1, 3):
        if items.ndim != 4:
            raise _misfit(target, items.shape)
        rows = [record.apply_pixels(pixels.transpose(1, 2, 0), target.shape[2:]) for pixels in items]
    else:
        if items.shape[1:] != target.shape[1:]:
            raise _misfit(target, items.shape)
        mean = np.float32(0) if record.mean is None else record.mean
        if np.ndim(mean) == 1:
            mean = mean.reshape(-1, *[1] * (items.ndim - 2))
        return np.asarray((items - mean) * np.float32(record.scale), np.float32)
    if rows[0].shape != target.shape[1:]:
        raise _misfit(target, (len(rows), *rows[0].shape))
    return np.stack(rows)


def _misfit(target: Input, shape: Shape) -> ArgumentError:
    what = f"items of shape {shape[1:]}"
    return ArgumentError(f"input '{target.name}'", what, f"give items of shape {target.shape[1:]}")


def _assumed(target: Input) -> Preprocessing:
    log.warning("input '%s': %s", target.name, NO_RECORD)
    return plain(target.shape[1] if len(target.shape) == 4 else 3)


def _joined(name: str, parts: Sequence[Any], size: int, items: int) -> Array:
    if parts[0].ndim < 1 or len(parts[0]) != size:
        what = f"its shape is {parts[0].shape} for {size} items"
        raise ShapeError(f"blob '{name}'", what, "ask for one that has a row for each item")
    return np.concatenate(parts)[:items]


def softmax(scores: Array) -> Array:
    """Probabilities (items, classes) from scores: exp(s) / sum(exp(s)) along the classes."""
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), np.float32)
