"""Softmax, its loss, and accuracy, against SciPy and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special

from caffe_sdk.errors import DataError
from caffe_sdk.memory import new_tensor
from tests.engine.reference.tensors import ENGINE, tensor, values

FLT_MIN = np.finfo(np.float32).tiny


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(rng: np.random.Generator, axis: int) -> None:
    x = rng.normal(size=(3, 4, 5)) * 50 + 1000
    y = new_tensor(x.shape, np.float64)
    ENGINE.softmax(tensor(x), y, axis)
    np.testing.assert_allclose(values(y), special.softmax(x, axis))


PROB = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("normalization", "ignore", "divisor"),
    [
        ("VALID", None, 4),
        ("FULL", None, 4),
        ("BATCH_SIZE", None, 4),
        ("NONE", None, 1),
        ("VALID", 0, 2),
        ("FULL", 0, 4),
        ("BATCH_SIZE", 0, 4),
        ("NONE", 0, 1),
    ],
)
def test_loss_and_its_normalizers(normalization: str, ignore: int | None, divisor: int) -> None:
    labels = [1, 1, 0, 0]
    terms = [-math.log(max(PROB[n, label], FLT_MIN)) for n, label in enumerate(labels) if label != ignore]
    loss, dx = new_tensor((), np.float64), new_tensor((4, 3), np.float64)
    ENGINE.softmax_loss(tensor(PROB), tensor(labels), loss, 1, ignore, normalization)
    assert values(loss).item() == pytest.approx(sum(terms) / divisor)
    ENGINE.softmax_loss_grad(tensor(PROB), tensor(labels), tensor(2.0), dx, 1, ignore, normalization)
    expected = PROB - np.eye(3)[labels]
    expected[[label == ignore for label in labels]] = 0
    np.testing.assert_allclose(values(dx), 2 * expected / divisor)


def test_everything_ignored_is_divided_by_1() -> None:
    loss, dx = tensor(5.0), tensor(np.ones((2, 3)))
    ENGINE.softmax_loss(tensor(PROB[:2]), tensor([7, 7]), loss, 1, 7, "VALID")
    ENGINE.softmax_loss_grad(tensor(PROB[:2]), tensor([7, 7]), tensor(1.0), dx, 1, 7, "VALID")
    assert values(loss).item() == 0
    assert not values(dx).any()


@pytest.mark.parametrize(("wrong", "words"), [(3, "3"), (-1, "-1"), (math.nan, "nan"), (1e9, "1e\\+09")])
def test_labels_that_are_no_class(wrong: float, words: str) -> None:
    labels, out = tensor([1, wrong]), new_tensor((), np.float64)
    message = f"^label: {words} is not one of 3 classes; give 0 to 2"
    with pytest.raises(DataError, match=message):
        ENGINE.softmax_loss(tensor(PROB[:2]), labels, out, 1, None, "VALID")
    with pytest.raises(DataError, match=message):
        ENGINE.softmax_loss_grad(tensor(PROB[:2]), labels, tensor(1.0), tensor(PROB[:2]), 1, None, "VALID")
    with pytest.raises(DataError, match=message):
        ENGINE.accuracy(tensor(PROB[:2]), labels, out, None, 1, 1, None)


def accuracy(scores: Any, labels: Any, top_k: int = 1, ignore: int | None = None) -> tuple[float, list[float]]:
    top, per_class = new_tensor((), np.float64), new_tensor((np.shape(scores)[1],), np.float64)
    ENGINE.accuracy(tensor(scores), tensor(labels), top, per_class, 1, top_k, ignore)
    return values(top).item(), values(per_class).tolist()


def test_accuracy() -> None:
    scores = [[3, 2, 1], [1, 3, 2], [1, 2, 3], [3, 1, 2]]
    assert accuracy(scores, [0, 1, 2, 1]) == (0.75, [1, 0.5, 1])
    assert accuracy(scores, [0, 1, 2, 2], top_k=2) == (1, [1, 1, 1])
    assert accuracy(scores, [0, 1, 2, 1], ignore=1) == (1, [1, 0, 1])
    assert accuracy(scores, [1, 1, 1, 1], ignore=1) == (0, [0, 0, 0])


def test_ties_and_nonsense_are_never_right() -> None:
    assert accuracy(np.zeros((4, 3)), [0, 1, 2, 0]) == (0, [0, 0, 0])
    assert accuracy([[1, 1, 0]], [0], top_k=2) == (1, [1, 0, 0])
    assert accuracy(np.full((2, 3), np.nan), [0, 1]) == (0, [0, 0, 0])
