"""Update rules by hand."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.rules import Sgd, Step
from tests.engine.reference.tensors import ENGINE, tensor, values


@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize(("scale", "decay"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.1), (0.5, 0.1)])
def test_sgd_update(scale: float, decay: float, l1: bool) -> None:
    weight, diff, history = (np.array(v) for v in ([1.0, -2.0], [0.5, 0.25], [0.1, -0.1]))
    a, b, c = tensor(weight), tensor(diff), tensor(history)
    ENGINE.update_weights(Sgd(0.9), a, b, [c], Step(0.01, decay, l1, scale))
    gradient = scale * diff + decay * (np.sign(weight) if l1 else weight)
    step = 0.9 * history + 0.01 * gradient
    np.testing.assert_allclose(values(c), step)
    np.testing.assert_allclose(values(b), step)
    np.testing.assert_allclose(values(a), weight - step)
