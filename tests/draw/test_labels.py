"""What drawings say about layers is what pycaffe's say."""

from __future__ import annotations

from typing import Any

import pytest

from caffe_sdk import draw
from caffe_sdk import layers as L
from caffe_sdk.draw.labels import layer_words
from caffe_sdk.errors import ArgumentError, LayerError


def config(top: Any, name: str = "a") -> Any:
    """The layer of a top."""
    layer = top.to_proto().layer[0]
    layer.name = name
    return layer


def test_pooling_types() -> None:
    assert draw.get_pooling_types_dict() == {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}


def test_edge_labels() -> None:
    assert draw.get_edge_label(config(L.Data(batch_size=8))) == "Batch 8"
    assert draw.get_edge_label(config(L.Convolution(num_output=20))) == "20"
    assert draw.get_edge_label(config(L.Deconvolution(convolution_param={"num_output": 21}))) == "21"
    assert draw.get_edge_label(config(L.InnerProduct(num_output=10))) == "10"
    assert draw.get_edge_label(config(L.ReLU())) == '""'


def test_learning_rate_multipliers() -> None:
    assert draw.get_layer_lr_mult(config(L.InnerProduct())) == (1, 1)
    assert draw.get_layer_lr_mult(config(L.InnerProduct(param={"lr_mult": 3}))) == (3, 1)
    assert draw.get_layer_lr_mult(config(L.Convolution(param=[{"lr_mult": 0}, {"lr_mult": 2}]))) == (0, 2)
    with pytest.raises(ArgumentError, match="ReLU layers do not have a learning rate multiplier"):
        draw.get_layer_lr_mult(config(L.ReLU()))
    with pytest.raises(LayerError, match="Could not parse the learning rate multiplier: there are 3"):
        draw.get_layer_lr_mult(config(L.Convolution(param=[{"lr_mult": 0}] * 3)))


def test_labels_for_graphviz() -> None:
    conv = config(L.Convolution(kernel_size=5, stride=2), "conv1")
    assert draw.get_layer_label(conv, "LR") == r'"conv1\n(Convolution)\nkernel size: 5\nstride: 2\npad: 0"'
    assert draw.get_layer_label(conv, "TB") == '"conv1 (Convolution) kernel size: 5 stride: 2 pad: 0"'
    assert draw.get_layer_label(conv, "BT", display_lrm=True).endswith('pad: 0 lr mult: 1.0, 1.0"')
    pool = config(L.Pooling(pool=1, kernel_size=3, stride=2, pad=1), "p")
    assert draw.get_layer_label(pool, "TB", True) == '"p (Pooling AVE) kernel size: 3 stride: 2 pad: 1"'
    assert draw.get_layer_label(config(L.ReLU(), "r"), "LR", True) == r'"r\n(ReLU)"'
    frozen = config(L.InnerProduct(param=[{"lr_mult": 0}, {"lr_mult": 0}]), "ip")
    assert draw.get_layer_label(frozen, "TB", True) == '"ip (InnerProduct)"'


def test_windows_of_other_forms() -> None:
    words = layer_words(config(L.Convolution(kernel_h=3, kernel_w=5, stride=[1, 2], pad=[1, 1])))
    assert words[2:] == ["kernel size: 3x5", "stride: 1x2", "pad: 1"]
    assert layer_words(config(L.Pooling(global_pooling=True)))[1:] == ["(Pooling MAX)", "global"]


def test_colours() -> None:
    assert draw.choose_color_by_layertype("Deconvolution") == "#FF5050"
    assert draw.choose_color_by_layertype("Pooling") == "#FF9900"
    assert draw.choose_color_by_layertype("InnerProduct") == "#CC33FF"
    assert draw.choose_color_by_layertype("ReLU") == "#6495ED"
