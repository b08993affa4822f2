"""Recurrent layers: what goes on from pass to pass, parameters, and what they accept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.engine import names, use
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.net import Net
from tests.layers.making import made
from tests.net.models import describe

THREE = "recurrent_param { num_output: 3 }"
EXPOSED = "recurrent_param { num_output: 3 expose_hidden: true }"
FILLED = 'num_output: 2 weight_filler { type: "uniform" min: -1 max: 1 } bias_filler { type: "uniform" min: -1 max: 1 }'


def net(kind: str, steps: int, more: str = "") -> Net:
    return Net(
        describe(f"""
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: {steps} dim: 3 dim: 4 }} }} }}
        layer {{ name: "cont" type: "Input" top: "cont" input_param {{ shape {{ dim: {steps} dim: 3 }} }} }}
        layer {{ name: "rec" type: "{kind}" bottom: "x" bottom: "cont" top: "y" recurrent_param {{ {FILLED} }} }}
        {more}
        """),
        0,
    )


@pytest.mark.parametrize("engine", [*names(), "fake"])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_pass_goes_on_where_the_last_one_ended(kind: str, engine: str, rng: np.random.Generator) -> None:
    x, cont = rng.normal(size=(6, 3, 4)), np.ones((6, 3))
    cont[0] = cont[4, 1] = 0
    with use(engine):
        whole, part = net(kind, 6), net(kind, 2)
        part.share_with(whole)
        expected = whole.forward(x=x, cont=cont)["y"].copy()
        found = [part.forward(x=x[i : i + 2], cont=cont[i : i + 2])["y"].copy() for i in (0, 2, 4)]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_other_lengths_keep_the_state_and_other_batches_do_not(kind: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 3, 4))
    recurrent = net(kind, 4)
    first = recurrent.forward(x=x, cont=np.ones((4, 3)))["y"].copy()
    again = net(kind, 1)
    again.share_with(recurrent)
    again.forward(x=x[:1], cont=np.ones((1, 3)))
    for name in ("x", "cont"):
        again.blobs[name].reshape(3, *again.blobs[name].shape[1:])
    following = again.forward(x=x[1:], cont=np.ones((3, 3)))["y"].copy()
    np.testing.assert_allclose(following, first[1:], rtol=1e-5, atol=1e-6)
    for name in ("x", "cont"):
        again.blobs[name].reshape(3, 2, *again.blobs[name].shape[2:])
    fresh = again.forward(x=x[:3, :2], cont=np.ones((3, 2)))["y"]
    np.testing.assert_allclose(fresh, first[:3, :2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_state_is_resumed(kind: str, rng: np.random.Generator) -> None:
    x, cont = rng.normal(size=(2, 3, 4)), np.ones((2, 3))
    first, second = net(kind, 2), net(kind, 2)
    second.share_with(first)
    first.forward(x=x, cont=cont)
    second.layer_dict["rec"].restore_state(first.layer_dict["rec"].state())
    expected = first.forward(x=x, cont=cont)["y"]
    np.testing.assert_array_equal(second.forward(x=x, cont=cont)["y"], expected)


def test_exposed_states_are_nobody_elses() -> None:
    assert made("LSTM", EXPOSED, 4, 3).state() == {}
    assert made("RNN", EXPOSED, 3, 2).state() == {}


def test_layers_behind_may_work_in_place(rng: np.random.Generator) -> None:
    relu = 'layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }'
    loss = 'layer { name: "sum" type: "InnerProduct" bottom: "y" top: "s" loss_weight: 1 inner_product_param {'
    loss += ' num_output: 1 axis: 2 weight_filler { type: "constant" value: 1 } } }'
    x, cont = rng.normal(size=(3, 3, 4)), np.ones((3, 3))
    gradients = []
    for text in (relu + loss, relu.replace('top: "y"', 'top: "z"') + loss.replace('bottom: "y"', 'bottom: "z"')):
        made_net = net("LSTM", 3, text)
        for blob, seed in zip(made_net.params["rec"], range(3), strict=True):
            blob.data[...] = np.random.default_rng(seed).normal(size=blob.shape)
        made_net.forward(x=x, cont=cont)
        made_net.backward()
        gradients.append([blob.diff.copy() for blob in made_net.params["rec"]])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_parameters_are_in_the_order_of_caffe() -> None:
    shapes = [(5, 2, 4, 2), (5, 2), (2, 7)]
    lstm, rnn = made("LSTM", THREE, bottoms=3), made("RNN", THREE, bottoms=3)
    assert [p.shape for p in lstm.parameters(shapes)] == [(12, 8), (12,), (12, 7), (12, 3)]
    assert [p.shape for p in rnn.parameters(shapes)] == [(3, 8), (3,), (3, 7), (3, 3), (3, 3), (3,)]
    assert lstm.shapes(shapes) == [(5, 2, 3)]
    assert [lstm.can_force_backward(i) for i in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "text", "bottoms", "tops", "words"),
    [
        ("LSTM", "", 2, 1, "num_output: 0"),
        ("LSTM", THREE, 4, 1, "has 4 bottoms; with expose_hidden: false give 2, or 3 with a static one"),
        ("LSTM", EXPOSED, 2, 3, "has 2 bottoms; with expose_hidden: true give 4, or 5 with a static one"),
        ("RNN", EXPOSED, 3, 1, "has 1 tops; with expose_hidden: true give 2"),
    ],
)
def test_arity(kind: str, text: str, bottoms: int, tops: int, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        made(kind, text, bottoms, tops)


@pytest.mark.parametrize(
    ("kind", "text", "tops", "shapes", "words"),
    [
        ("LSTM", THREE, 1, [(4,), (4,)], r"give \(steps, sequences, ...\)"),
        ("LSTM", THREE, 1, [(4, 2, 3), (4, 3)], r"give cont the shape \(4, 2\)"),
        ("LSTM", THREE, 1, [(4, 2, 3), (4, 2), (3, 2)], r"static input \(3, 2\); give it \(2, ...\)"),
        ("RNN", EXPOSED, 2, [(4, 2, 3), (4, 2), (2, 3)], r"a state of shape \(2, 3\); give \(1, 2, 3\)"),
        ("LSTMUnit", "", 2, [(2, 3, 4), (2, 3, 16), (2, 3)], r"give \(1, n, d\)"),
        ("LSTMUnit", "", 2, [(1, 3, 4), (1, 3, 4), (1, 3)], r"give the input the shape \(1, 3, 16\)"),
        ("LSTMUnit", "", 2, [(1, 3, 4), (1, 3, 16), (3,)], r"give cont the shape \(1, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(kind: str, text: str, tops: int, shapes: list[Any], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        made(kind, text, len(shapes), tops).shapes(shapes)


def test_sequence_marks_get_no_gradient() -> None:
    for kind, bottoms, tops in (("LSTM", 2, 1), ("RNN", 2, 1), ("LSTMUnit", 3, 2)):
        layer: Any = made(kind, THREE, bottoms, tops)
        with pytest.raises(LayerError, match="cannot backpropagate to cont"):
            layer.backward(None, [None] * tops, [True] * bottoms, [None] * bottoms)
