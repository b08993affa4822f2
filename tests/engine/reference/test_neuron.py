"""Functions of single values against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from caffe_sdk.memory import new_tensor
from tests.engine.reference.tensors import ENGINE, tensor, values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neurons_are_the_functions_of_their_names(dtype: Any) -> None:
    x = np.linspace(-30, 30, 61).astype(dtype)
    given = tensor(x, dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    expected = {
        ("relu", 0.0): np.maximum(x, 0),
        ("relu", 0.25): np.where(x > 0, x, 0.25 * x),
        ("sigmoid",): special.expit(x),
        ("tanh",): np.tanh(x),
        ("elu", 0.5): np.where(x > 0, x, 0.5 * (np.exp(np.minimum(x, 0)) - 1)),
        ("swish", 2.0): x * special.expit(2 * x),
        ("bnll",): np.log1p(np.exp(x)),
        ("clip", -1.0, 2.5): np.minimum(np.maximum(x, -1), 2.5),
        ("threshold", 3.0): (x > 3) * 1.0,
        ("absolute",): np.abs(x),
        ("power", 2.0, 0.5, 1.0): (0.5 * x + 1) ** 2,
        ("exponential", 0.5, 1.0): np.exp(0.5 * x + 1),
        ("logarithm", 2.0, 1.0, 31.0): 2 * np.log(x + 31),
    }
    for (name, *parameters), result in expected.items():
        y = new_tensor(x.shape, dtype)
        getattr(ENGINE, name)(given, y, *parameters)
        assert values(y).dtype == dtype
        np.testing.assert_allclose(values(y), result, rtol=tolerance, atol=tolerance, err_msg=name)


def test_relu_of_infinities() -> None:
    y = new_tensor((3,), np.float64)
    ENGINE.relu(tensor([-np.inf, np.inf, np.nan]), y, 0.0)
    np.testing.assert_array_equal(values(y), [0, np.inf, np.nan])


def test_dropout_keeps_the_mean_and_forgets_what_it_dropped(rng: np.random.Generator) -> None:
    x, y, mask = tensor(np.full(100_000, 3.0)), new_tensor((100_000,), np.float64), new_tensor((100_000,))
    ENGINE.dropout(x, y, mask, 0.4, rng)
    assert abs((values(mask) == 0).mean() - 0.4) < 0.01
    assert set(np.unique(values(mask))) == {np.float32(0), np.float32(1 / 0.6)}
    assert abs(values(y).mean() - 3) < 0.05
    first = values(mask)
    ENGINE.dropout(x, y, mask, 0.4, rng)
    assert (values(mask) != first).any()
