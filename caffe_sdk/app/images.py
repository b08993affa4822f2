"""Images through a net, prepared as the record beside its model says: the same numbers at every door."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing, plain

log = logging.getLogger(__name__)

NO_RECORD = "there is no record of preprocessing: images go in as they are, RGB from 0 to 1"


def prepare(net: Net, record: Preprocessing | None, images: Sequence[Array]) -> Array:
    """Values of the net's first input for images as `caffe_sdk.io.load_image` gives them: (items, c, height, width).

    The centre of each counts. Without a record images go in as they are, and the log warns. Raises ArgumentError for
    nets that take no images, and what `Preprocessing.apply` does.
    """
    name = next(iter(net.inputs), "")
    shape = net.blobs[name].shape if name else ()
    if len(shape) != 4:
        what = f"the first input is '{name}' of shape {shape}" if name else "the net has no input"
        raise ArgumentError(f"net '{net.name}'", what, "give a deploy net that takes (items, channels, height, width)")
    if record is None:
        log.warning("%s: %s", net.name, NO_RECORD)
        record = plain(shape[1])
    prepared = [record.apply(image, shape[2:]) for image in images]
    if not prepared or prepared[0].shape != shape[1:]:
        what = f"{len(prepared)} images" + "".join(f" of {each.shape}" for each in prepared[:1])
        raise ArgumentError(
            f"net '{net.name}'", what, f"it takes one or more of {shape[1:]}; see the record's channels"
        )
    return np.stack(prepared)
