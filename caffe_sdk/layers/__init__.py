"""Layers: what a net is made of, one file per family. Importing this package registers every type."""

from __future__ import annotations

from caffe_sdk.layers import (
    accuracy,
    affine,
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
    pooling,
    recurrent,
    reduction,
    rows,
    shaping,
    softmax,
)
from caffe_sdk.layers.base import REGISTRY, Arity, Layer, Parameter, create, exactly, layer

__all__ = [
    "REGISTRY",
    "Arity",
    "Layer",
    "Parameter",
    "create",
    "exactly",
    "layer",
    "accuracy",
    "affine",
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
    "pooling",
    "recurrent",
    "reduction",
    "rows",
    "shaping",
    "softmax",
]
