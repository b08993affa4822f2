"""Windows of one image through a net that a session holds: detection as R-CNN does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.app import inference
from caffe_sdk.app.session import Session
from caffe_sdk.detector import in_context
from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.preprocessing import CHANNELS, Preprocessing
from caffe_sdk.selective_search import selective_search


def proposals(image: Array) -> Array:
    """Windows of an image (height, width, 3), 0 to 255, that may hold objects: rows (ymin, xmin, ymax, xmax)."""
    return np.asarray(selective_search(image / np.float32(255)), int).reshape(-1, 4)


def scores(
    session: Session, net: int, image: Array, windows: Array, context_pad: int = 0, batch: int | None = None
) -> Array:
    """The values of the net's first output for windows of an image: (windows, classes).

    ``image`` is (height, width, channels), RGB or grey, from 0 to 255; windows are rows (ymin, xmin, ymax, xmax), the
    last two not part of them. With ``context_pad`` the net's input, which is square then, shows so many pixels around
    each, and where there is no image the mean's colour. Raises ArgumentError for windows that show nothing.
    """
    found = session.describe_net(net)
    target = inference.first_input(found)
    record = session.preprocessing(net) or Preprocessing()
    crops = []
    for window in windows:
        top, left, bottom, right = np.clip(window, 0, np.tile(image.shape[:2], 2)).astype(int)
        crop: Any = image[top:bottom, left:right]
        if not crop.size:
            what = f"window {window.tolist()} shows nothing of an image of {image.shape[0]} x {image.shape[1]}"
            raise ArgumentError("detect", what, "give windows that lie in the image")
        if context_pad:
            crop = in_context(image, window, _around(record, target.shape, context_pad), context_pad)
        crops.append(crop)
    values = inference.run(session, net, crops, [found.outputs[0]], batch)[found.outputs[0]]
    return values.reshape(len(values), -1)


def _around(record: Preprocessing, shape: tuple[int, ...], context_pad: int) -> Array:
    """What is seen where the image does not reach."""
    if len(shape) != 4 or shape[2] != shape[3] or not 2 * context_pad < shape[3]:
        what = f"context of {context_pad} pixels for an input of shape {shape}"
        raise ArgumentError("detect", what, "give a net with a square input, and less than half of its side")
    colour = np.zeros(shape[1], np.float32)
    if record.mean is not None:
        colour = record.mean.reshape(len(record.mean), -1).mean(axis=1)[np.argsort(CHANNELS[record.channels])]
    return np.broadcast_to(colour, (*shape[2:], shape[1])).astype(np.float32)


def strongest(windows: Array, strength: Array, overlap: float) -> Array:
    """Places of windows, strongest first, that share no more than ``overlap`` of their union with a stronger one."""
    kept: list[int] = []
    area = (windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1])
    for place in np.argsort(-strength, kind="stable"):
        others = np.array(kept, int)
        low = np.maximum(windows[others, :2], windows[place, :2])
        high = np.minimum(windows[others, 2:], windows[place, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        if not (shared > overlap * (area[others] + area[place] - shared)).any():
            kept.append(int(place))
    return np.array(kept, int)
