"""Layers of single values: their defaults and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select, use
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TRAIN, NetParameter
from tests.layers.making import made


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("Dropout", "dropout_param { dropout_ratio: 1 }", "dropout_ratio: 1; give 0 or more, but less than 1"),
        ("Dropout", "dropout_param { dropout_ratio: -0.5 }", "dropout_ratio: -0.5"),
        ("Clip", "", "has no bounds"),
        ("Clip", "clip_param { min: 2 max: 1 }", "min: 2 is more than max: 1"),
        ("Exp", "exp_param { base: 0 }", "base: 0"),
        ("Log", "log_param { base: -2 }", "base: -2"),
        ("Log", "log_param { base: 1 }", "base: 1 has no logarithm"),
    ],
)
def test_parameters_that_make_no_sense(kind: str, text: str, words: str) -> None:
    with pytest.raises(LayerError, match=rf"^layer 'it' \({kind}\): {words}"):
        made(kind, text)


def test_prelu_begins_with_a_quarter() -> None:
    (slope,) = made("PReLU").parameters([(2, 3, 4, 4)])
    assert slope.shape == (3,)
    assert (slope.filler.type, slope.filler.value) == ("constant", 0.25)
    (shared,) = made("PReLU", "prelu_param { channel_shared: true filler { type: 'msra' } }").parameters([(2, 3)])
    assert shared.shape == ()
    assert shared.filler.type == "msra"
    with pytest.raises(ShapeError, match=r"input \(3,\) has 1 axes; give 2 or more"):
        made("PReLU").parameters([(3,)])


def test_threshold_has_no_gradient() -> None:
    layer = made("Threshold")
    assert not layer.can_force_backward(0)
    with pytest.raises(LayerError, match="a threshold has no gradient"):
        layer.backward(select("reference"), [Blob((2,))], [True], [Blob((2,))])


def test_base_e() -> None:
    assert (made("Exp").scale, made("Exp", "exp_param { base: -1 }").scale) == (1, 1)  # type: ignore[attr-defined]
    assert made("Log", "log_param { base: 10 }").factor == pytest.approx(1 / math.log(10))  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ["reference", "fake", "cpu"])
def test_dropout_differs_from_step_to_step_and_repeats_with_its_generator(engine: str) -> None:
    layer: Any = made("Dropout")
    bottom, top = Blob((50, 100)), Blob((50, 100))
    bottom.data[...] = 1
    layer.reshape([bottom], [top])
    state = layer.rng.bit_generator.state
    steps = []
    for _ in range(2):
        layer.forward(select(engine), [bottom], [top])
        steps.append(top.data.copy())
    assert abs(steps[0].mean() - 1) < 0.1
    assert (steps[0] != steps[1]).any()
    layer.rng.bit_generator.state = state
    layer.forward(select(engine), [bottom], [top])
    np.testing.assert_array_equal(top.data, steps[0])


@pytest.mark.parametrize("engine", ["reference", "fake", "cpu"])
def test_the_log_of_zero_is_infinite(engine: str) -> None:
    """As in Caffe, and quietly: in programs too, which other loops of an engine run."""
    text = """
    force_backward: true
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
    layer { name: "y" type: "Log" bottom: "x" top: "y" }
    """
    with use(engine), Net(prototxt.parse(text, NetParameter), TRAIN) as net:
        net.blobs["x"].data[...] = [0, 1]
        assert net.forward()["y"].tolist() == [-math.inf, 0]
        assert net.backward(y=np.ones(2))["x"].tolist() == [math.inf, 1]
