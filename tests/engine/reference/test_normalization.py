"""Normalizations against their definitions, place by place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.reference.tensors import ENGINE, empty, tensor, values


@pytest.mark.parametrize("within", [False, True])
def test_lrn_looks_at_its_neighbours(rng: np.random.Generator, within: bool) -> None:
    x = rng.normal(size=(2, 6, 4, 5))
    y, scale = empty(2, 6, 4, 5), empty(2, 6, 4, 5)
    ENGINE.lrn(tensor(x), y, scale, 3, alpha=0.6, beta=0.75, k=2.0, within=within)
    for n, c, i, j in np.ndindex(x.shape):
        if within:
            seen = x[n, c, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
        else:
            seen = x[n, max(0, c - 1) : c + 2, i, j]
        expected = 2 + 0.6 / (9 if within else 3) * (seen**2).sum()
        assert values(scale)[n, c, i, j] == pytest.approx(expected)
        assert values(y)[n, c, i, j] == pytest.approx(x[n, c, i, j] / expected**0.75)


def test_batch_norm(rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, size=(4, 3, 5))
    y, normalized, deviation = empty(4, 3, 5), empty(4, 3, 5), empty(3)
    mean, variance, weight = tensor(np.ones(3)), tensor(np.ones(3)), tensor([1.0])
    ENGINE.batch_norm(tensor(x), y, normalized, deviation, mean, variance, weight, eps=0.1, fraction=0.5)
    m, v = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(values(y), (x - m) / np.sqrt(v + 0.1))
    np.testing.assert_array_equal(values(normalized), values(y))
    np.testing.assert_allclose(values(mean), 0.5 + m.reshape(3))
    np.testing.assert_allclose(values(variance), 0.5 + v.reshape(3) * 20 / 19)
    assert values(weight) == 1.5


def test_batch_norm_of_one_value_does_not_divide_by_0() -> None:
    variance = tensor([0.0])
    ENGINE.batch_norm(
        tensor([[5.0]]), empty(1, 1), empty(1, 1), empty(1), tensor([0.0]), variance, tensor([0.0]), 1e-5, 0.9
    )
    assert values(variance) == 0


def test_statistics_of_no_weight_count_0(rng: np.random.Generator) -> None:
    x, y, deviation = rng.normal(size=(2, 3)), empty(2, 3), empty(3)
    seven = np.full(3, 7.0)
    ENGINE.batch_norm_global(tensor(x), y, deviation, tensor(seven), tensor(seven), tensor([0.0]), 0.25)
    np.testing.assert_allclose(values(y), x / 0.5)
    ENGINE.batch_norm_global(tensor(x), y, deviation, tensor(seven), tensor(seven), tensor([7.0]), 3.0)
    np.testing.assert_allclose(values(y), (x - 1) / 2)


def test_mvn(rng: np.random.Generator) -> None:
    x, y, deviation = rng.normal(3, 2, size=(3, 8)), empty(3, 8), empty(3)
    centred = x - x.mean(axis=1, keepdims=True)
    ENGINE.mvn(tensor(x), y, None, 0.1)
    np.testing.assert_allclose(values(y), centred)
    ENGINE.mvn(tensor(x), y, deviation, 0.1)
    np.testing.assert_allclose(values(y), centred / (x.std(axis=1, keepdims=True) + 0.1))
