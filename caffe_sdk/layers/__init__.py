"""Layers: what a net is made of, one file per family. Importing this package registers every type."""

from __future__ import annotations

from caffe_sdk.layers import accuracy, common, convolution, data, dense, eltwise, neuron, pooling, softmax
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
    "common",
    "convolution",
    "data",
    "dense",
    "eltwise",
    "neuron",
    "pooling",
    "softmax",
]
