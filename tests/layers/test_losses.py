"""Softmax and its loss: which labels fit, how losses are divided, what has no gradient."""

from __future__ import annotations

from typing import Any

import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Shape
from tests.layers.making import made


@pytest.mark.parametrize("labels", [(4,), (4, 1), (4, 1, 1, 1)])
def test_shapes(labels: Shape) -> None:
    layer = made("SoftmaxWithLoss", bottoms=2, tops=2)
    assert layer.shapes([(4, 10), labels]) == [(), (4, 10)]


def test_maps() -> None:
    assert made("SoftmaxWithLoss", bottoms=2).shapes([(2, 10, 3, 4), (2, 1, 3, 4)])[0] == ()
    last = made("SoftmaxWithLoss", "softmax_param { axis: -1 }", bottoms=2)
    assert last.shapes([(2, 3, 4, 10), (2, 3, 4)])[0] == ()


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(4, 10), (5,)], r"5 labels \(5,\) for scores \(4, 10\) with classes at axis 1; give 4 labels \(4,\)"),
        ([(2, 10, 3, 4), (2,)], r"2 labels \(2,\) .*; give 24 labels \(2, 3, 4\)"),
        ([(2, 10, 2), (4,)], r"bottoms \(2, 10, 2\) and \(4,\); give one batch size"),
        ([(4,), (4,)], "axis 1 is not one of 1 axes"),
        ([(4, 0), (4,)], r"input \(4, 0\) has no classes"),
    ],
)
def test_labels_that_do_not_fit(shapes: list[Shape], words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \(SoftmaxWithLoss\): {words}"):
        made("SoftmaxWithLoss", bottoms=2).shapes(shapes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "VALID"),
        ("normalize: true", "VALID"),
        ("normalize: false", "BATCH_SIZE"),
        ("normalization: FULL", "FULL"),
        ("normalization: NONE normalize: false", "NONE"),
    ],
)
def test_normalization(text: str, expected: str) -> None:
    layer: Any = made("SoftmaxWithLoss", f"loss_param {{ {text} }}", bottoms=2)
    assert layer.normalization == expected


def test_ignored_label_may_be_0() -> None:
    layer: Any = made("SoftmaxWithLoss", "loss_param { ignore_label: 0 }", bottoms=2)
    assert layer.ignore_label == 0
    layer = made("SoftmaxWithLoss", bottoms=2)
    assert layer.ignore_label is None


def test_labels_have_no_gradient() -> None:
    layer = made("SoftmaxWithLoss", bottoms=2)
    assert [layer.can_force_backward(i) for i in (0, 1)] == [True, False]
    bottom, top = [Blob((4, 10)), Blob((4,))], [Blob()]
    layer.reshape(bottom, top)
    with pytest.raises(LayerError, match="cannot backpropagate to label inputs"):
        layer.backward(select("reference"), top, [True, True], bottom)


def test_prob_top_is_the_buffer_itself() -> None:
    layer: Any = made("SoftmaxWithLoss", bottoms=2, tops=2)
    top = [Blob(), Blob((4, 10))]
    layer.reshape([Blob((4, 10)), Blob((4,))], top)
    assert layer.probabilities(top).memory is top[1].data_memory
    assert layer.probabilities(top[:1]).memory is not top[1].data_memory


def test_softmax_of_no_classes() -> None:
    with pytest.raises(ShapeError, match=r"input \(2, 0\) has no classes at axis 1"):
        made("Softmax").shapes([(2, 0)])
