"""A compiled net's steps name layers and means, add up, and are counted in multiply-adds by the definition."""

from __future__ import annotations

from typing import Any, cast

import pytest

from caffe_sdk.app.profile import StepTime, multiply_adds, peak, profile
from caffe_sdk.engine import Engine, names, use
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Call, Recorder
from caffe_sdk.memory import new_tensor
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
CONVOLUTION, DENSE = 2 * 6 * 6 * 16 * 3 * 9, 2 * 5 * 16 * 36


def steps_of(backward: bool) -> tuple[StepTime, ...]:
    with Net(prototxt.parse(NET, NetParameter), "train") as net:
        net.forward_backward()
        return profile(net, backward, 2)


@pytest.mark.parametrize("engine", names())
def test_steps_name_layers_and_count_their_products(engine: str) -> None:
    with use(engine):
        forward, backward = steps_of(False), steps_of(True)
    layers = [layer for step in forward for layer in step.layers]
    assert sorted(set(layers) - {"loss"}) == ["conv", "fc", "relu"]
    assert sum(step.multiply_adds for step in forward) == CONVOLUTION + DENSE
    assert sum(step.multiply_adds for step in backward) == CONVOLUTION + 2 * DENSE  # nobody wants the images' gradient
    assert all(step.seconds > 0 and step.means and step.operations for step in (*forward, *backward))


def test_what_is_joined_is_one_step() -> None:
    with use("cpu"):
        joined = next(step for step in steps_of(False) if "conv" in step.layers)
    assert joined.layers == ("conv", "relu")
    assert any("convolution" in means for means in joined.means)
    assert joined.rate == pytest.approx(2 * CONVOLUTION / joined.seconds)


def recorded(name: str, *arguments: Any) -> Call:
    recorder = Recorder()
    getattr(cast(Engine, recorder), name)(*arguments)
    return recorder.calls[0]


def test_multiply_adds_of_every_product() -> None:
    geometry = ConvolutionGeometry((3, 3), (1, 1), (0, 0), (1, 1), 2)
    x, weight, bias, y = (new_tensor(shape) for shape in ((2, 4, 5, 5), (6, 2, 3, 3), (6,), (2, 6, 3, 3)))
    expected = 2 * 9 * 6 * 2 * 9
    assert multiply_adds(recorded("convolution", x, weight, bias, y, geometry)) == expected
    assert multiply_adds(recorded("convolution_grad_data", y, weight, x, geometry)) == expected
    assert multiply_adds(recorded("convolution_grad_weight", x, y, weight, bias, geometry)) == expected
    assert multiply_adds(recorded("convolution_grad_weight", x, y, None, bias, geometry)) == 0
    rows, matrix, scores = new_tensor((4, 7)), new_tensor((7, 3)), new_tensor((4, 3))
    assert multiply_adds(recorded("inner_product", rows, matrix, None, scores, True)) == 4 * 7 * 3
    assert multiply_adds(recorded("relu", x, x, 0.0)) == 0


def test_the_peak_is_a_rate() -> None:
    assert peak() > 1e8
