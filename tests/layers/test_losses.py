"""Losses: which labels and targets fit, how losses are divided, what has no gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, MissingFileError, ShapeError
from caffe_sdk.memory import HOST, Shape
from caffe_sdk.schema.wire import BlobArray, write_blob
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


# -- the other losses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shapes", "words"),
    [
        ("EuclideanLoss", [(4, 3), (4, 2)], "8 targets for 12 values; give one each"),
        ("EuclideanLoss", [(4, 3), (3, 4)], r"bottoms \(4, 3\) and \(3, 4\); give one batch size"),
        ("EuclideanLoss", [(), ()], "bottom 0 is a scalar"),
        ("SigmoidCrossEntropyLoss", [(4, 3), (4,)], "4 targets for 12 values"),
        ("HingeLoss", [(4, 3), (4, 3)], r"12 labels \(4, 3\) for scores \(4, 3\); give one label per item"),
        ("MultinomialLogisticLoss", [(4, 3), (2,)], "2 labels"),
        ("ContrastiveLoss", [(4, 3), (4, 3), (3,)], r"\(3,\) for pairs \(4, 3\); give one number per pair"),
        ("ContrastiveLoss", [(4, 3), (4, 2), (4,)], "8 targets for 12 values"),
        ("InfogainLoss", [(4, 3), (4,), (3, 4)], r"matrix \(3, 4\) for 3 classes; give \(3, 3\)"),
        ("InfogainLoss", [(4, 3), (4,), (9,)], r"matrix \(9,\) for 3 classes"),
    ],
)
def test_shapes_that_do_not_fit(kind: str, shapes: list[Shape], words: str) -> None:
    with pytest.raises(ShapeError, match=rf"^layer 'it' \({kind}\): {words}"):
        made(kind, bottoms=len(shapes)).shapes(shapes)


@pytest.mark.parametrize("kind", ["HingeLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss"])
def test_targets_have_no_gradient(kind: str) -> None:
    layer = made(kind, bottoms=2)
    assert [layer.can_force_backward(i) for i in (0, 1)] == [True, False]
    with pytest.raises(LayerError, match="cannot backpropagate to label inputs"):
        layer.backward(select("reference"), [Blob()], [False, True], [Blob((4, 3)), Blob((4,))])


def test_both_sides_have_gradients_where_they_are_alike() -> None:
    assert made("EuclideanLoss", bottoms=2).can_force_backward(1)
    layer = made("ContrastiveLoss", bottoms=3)
    assert [layer.can_force_backward(i) for i in range(3)] == [True, True, False]
    with pytest.raises(LayerError, match="set propagate_down: false for bottom 2"):
        layer.backward(select("reference"), [Blob()], [True, True, True], [Blob((4, 3)), Blob((4, 3)), Blob((4,))])


def test_sigmoid_loss_is_divided_by_the_batch_size() -> None:
    layer: Any = made("SigmoidCrossEntropyLoss", bottoms=2)
    assert layer.normalization == "BATCH_SIZE"


def test_infogain_matrix_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "matrix.binaryproto"
    write_blob(path, BlobArray(np.eye(3, dtype=np.float32)[None, None]))
    text = f"infogain_loss_param {{ source: '{path}' }}"
    layer: Any = made("InfogainLoss", text, bottoms=2)
    assert layer.shapes([(4, 3), (4,)])[0] == ()
    np.testing.assert_array_equal(layer.matrix.memory.read(HOST), np.eye(3).reshape(-1))
    with pytest.raises(ShapeError, match=r"matrix \(1, 1, 3, 3\) for 5 classes"):
        layer.shapes([(4, 5), (4,)])
    with pytest.raises(MissingFileError, match=str(tmp_path)):
        made("InfogainLoss", f"infogain_loss_param {{ source: '{tmp_path}/nowhere' }}", bottoms=2)
    with pytest.raises(LayerError, match="has no matrix; give a third bottom, or source"):
        made("InfogainLoss", bottoms=2)
