"""Scale and shift against broadcasting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.reference.tensors import ENGINE, empty, tensor, values


@pytest.mark.parametrize(("axis", "shape"), [(0, (2,)), (1, (3,)), (1, (3, 4)), (3, (5,)), (0, (2, 3, 4, 5)), (0, ())])
def test_affine(rng: np.random.Generator, axis: int, shape: tuple[int, ...]) -> None:
    x, dy, scale, shift = (rng.normal(size=size) for size in [(2, 3, 4, 5), (2, 3, 4, 5), shape, shape])
    place = (1,) * axis + shape + (1,) * (4 - axis - len(shape))
    others = tuple(i for i in range(4) if not axis <= i < axis + len(shape))
    y, dx = empty(2, 3, 4, 5), empty(2, 3, 4, 5)
    ENGINE.affine(tensor(x), tensor(scale), tensor(shift), y, axis)
    np.testing.assert_allclose(values(y), x * scale.reshape(place) + shift.reshape(place))
    ENGINE.affine(tensor(x), None, tensor(shift), y, axis)
    np.testing.assert_allclose(values(y), x + shift.reshape(place))
    ENGINE.affine_grad_data(tensor(dy), tensor(scale), dx, axis)
    np.testing.assert_allclose(values(dx), dy * scale.reshape(place))
    dscale, dshift = tensor(np.ones(shape)), tensor(np.ones(shape))
    ENGINE.affine_grad_scale(tensor(x), tensor(dy), dscale, axis)
    ENGINE.affine_grad_shift(tensor(dy), dshift, axis)
    np.testing.assert_allclose(values(dscale), 1 + (x * dy).sum(axis=others))
    np.testing.assert_allclose(values(dshift), 1 + dy.sum(axis=others))
