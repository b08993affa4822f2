"""Losses by hand. Their gradients are checked by differences in tests/cases, their quirks in tests/golden."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from caffe_sdk.memory import Tensor
from tests.engine.reference.tensors import ENGINE, empty, tensor, values

X = np.array([[0.5, -2.0, 3.0], [1.0, 0.0, -1.0]])


def loss(operation: str, *arguments: object) -> float:
    out = empty()
    getattr(ENGINE, operation)(*(out if a is Tensor else a for a in arguments))
    return float(values(out))


def test_euclidean() -> None:
    target = np.ones((2, 3))
    expected = ((X - target) ** 2).sum() / 4
    assert loss("euclidean_loss", tensor(X), tensor(target), Tensor) == pytest.approx(expected)


@pytest.mark.parametrize(("normalization", "divisor"), [("BATCH_SIZE", 2), ("FULL", 6), ("VALID", 4), ("NONE", 1)])
def test_sigmoid_cross_entropy(normalization: str, divisor: int) -> None:
    target = np.array([[0, 1, 7], [7, 0, 0.25]])
    p = special.expit(X)
    terms = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    expected = terms[target != 7].sum() / divisor
    assert loss("sigmoid_loss", tensor(X), tensor(target), Tensor, 7, normalization) == pytest.approx(expected)


def test_sigmoid_cross_entropy_of_large_scores() -> None:
    got = loss("sigmoid_loss", tensor([[1000.0, -1000.0]]), tensor([[0.0, 1.0]]), Tensor, None, "BATCH_SIZE")
    assert got == 2000


@pytest.mark.parametrize("squared", [False, True])
def test_hinge(squared: bool) -> None:
    margins = np.array([[1.5, 0, 0], [0, 1, 0]])
    expected = ((margins**2) if squared else margins).sum() / 2
    assert loss("hinge_loss", tensor(X), tensor([2, 0]), Tensor, squared) == pytest.approx(expected)


def test_multinomial_takes_the_logarithm_of_1e_20_at_least() -> None:
    prob = [[0.25, 0.75], [0.0, 1.0]]
    expected = -(math.log(0.75) + math.log(1e-20)) / 2
    assert loss("multinomial_loss", tensor(prob), tensor([1, 0]), Tensor) == pytest.approx(expected)


def test_infogain_of_the_unit_matrix_is_the_softmax_loss() -> None:
    prob = special.softmax(X, 1)
    given = tensor(prob), tensor([2, 1])
    expected = loss("softmax_loss", *given, Tensor, 1, None, "VALID")
    assert loss("infogain_loss", *given, tensor(np.eye(3)), Tensor, 1, None, "VALID") == pytest.approx(expected)
    twice = loss("infogain_loss", *given, tensor(2 * np.eye(3)), Tensor, 1, None, "VALID")
    assert twice == pytest.approx(2 * expected)


@pytest.mark.parametrize(("legacy", "apart"), [(False, (7 - 5) ** 2), (True, 0)])
def test_contrastive(legacy: bool, apart: float) -> None:
    a, b = tensor([[3.0, 4.0], [3.0, 4.0]]), tensor(np.zeros((2, 2)))
    got = loss("contrastive_loss", a, b, tensor([1, 0]), Tensor, 7.0, legacy)
    assert got == pytest.approx((25 + apart) / 4)
