"""A normalization folded into coefficients of channels."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.folding_job import ADDRESSES, FOLDING
from caffe_sdk.engine.cpu.folding_kernels import LOOPS
from caffe_sdk.engine.cpu.machine_code import function


@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_coefficients_do_what_normalization_does(weight: float) -> None:
    channels, count, eps = 5, 16, 1e-3
    rng = np.random.default_rng(0)
    numbers = {name: rng.uniform(0.5, 2, count).astype(np.float32) for name in ADDRESSES}
    numbers["weight"][0] = weight
    job = np.zeros(1, FOLDING)
    job["channels"], job["count"], job["eps"] = channels, count, eps
    for name, array in numbers.items():
        job[name] = array.ctypes.data
    function("fold")(job.ctypes.data)
    given = {name: array[:channels].astype(np.float64) for name, array in numbers.items()}
    share = 1 / weight if weight else 0.0
    x, deviation = 3.0, np.sqrt(share * given["variance"] + eps)
    expected = (x + given["bias"] - share * given["mean"]) / deviation * given["scale"] + given["shift"]
    np.testing.assert_allclose(given["a"] * x + given["b"], expected, rtol=1e-5)
    np.testing.assert_allclose(given["deviation"], deviation, rtol=1e-6)
    assert not numbers["a"][channels:].any()
    assert not numbers["b"][channels:].any()
    assert list(LOOPS) == ["fold"]
