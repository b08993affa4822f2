"""Layers: what a net is made of, one file per family. Importing this package registers every type.

It is also what scripts import to write nets in Python (``from caffe_sdk import layers as L``): ``L.Convolution(...)``
is `caffe_sdk.net_spec.layers.Convolution`.
"""

from __future__ import annotations

from typing import Any

from caffe_sdk import net_spec
from caffe_sdk.layers import (
    accuracy,
    affine,
    arrays,
    common,
    convolution,
    data,
    dense,
    eltwise,
    hdf5,
    images,
    losses,
    neuron,
    normalization,
    plugins,
    pooling,
    python,
    recurrent,
    reduction,
    rows,
    shaping,
    softmax,
)
from caffe_sdk.layers.base import REGISTRY, Arity, Layer, create, exactly, layer
from caffe_sdk.layers.dataset import dataset

__all__ = [
    "REGISTRY",
    "Arity",
    "Layer",
    "create",
    "dataset",
    "exactly",
    "layer",
    "accuracy",
    "affine",
    "arrays",
    "common",
    "convolution",
    "data",
    "dense",
    "eltwise",
    "hdf5",
    "images",
    "losses",
    "neuron",
    "normalization",
    "plugins",
    "pooling",
    "python",
    "recurrent",
    "reduction",
    "rows",
    "shaping",
    "softmax",
]


def __getattr__(name: str) -> Any:
    """How NetSpec spells a layer of this type."""
    if name[:1].isupper():
        return getattr(net_spec.layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *REGISTRY})
