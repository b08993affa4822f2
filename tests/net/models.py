"""Small models that several tests of nets build."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

CLASSIFIER = """
name: "classifier"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 1 dim: 8 dim: 8 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" include { phase: TEST } }
"""


def describe(text: str = CLASSIFIER) -> Any:
    return prototxt.parse(text, NetParameter)


def classifier(phase: int, seed: int = 1) -> Net:
    """The classifier with random inputs in place."""
    net = Net(describe(), phase)
    generator = np.random.default_rng(seed)
    net.blobs["data"].data[...] = generator.normal(size=(4, 1, 8, 8))
    net.blobs["label"].data[...] = [0, 1, 2, 3]
    return net
