"""Layers from text, for tests of what they accept and say."""

from __future__ import annotations

import numpy as np
from google.protobuf import text_format

from caffe_sdk.layers import Layer, create
from caffe_sdk.schema.messages import TEST, TRAIN, LayerParameter


def made(kind: str, text: str = "", bottoms: int = 1, tops: int = 1, train: bool = True) -> Layer:
    """A layer 'it' of a type with as many bottoms and tops; ``text`` is the rest of its prototxt."""
    config = LayerParameter(name="it", type=kind)
    config.bottom.extend(f"bottom{i}" for i in range(bottoms))
    config.top.extend(f"top{i}" for i in range(tops))
    text_format.Merge(text, config)
    return create(config, TRAIN if train else TEST, np.random.default_rng(1))
