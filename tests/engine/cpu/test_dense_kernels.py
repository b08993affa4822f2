"""The product of a matrix and a vector, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.dense_job import ADDRESSES, DENSE, ROWS
from caffe_sdk.engine.cpu.dense_kernels import LOOPS
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.job import address


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 16), (16, 15), (17, 1030), (64, 4096)])
def test_product(rows: int, columns: int, with_bias: bool) -> None:
    rng = np.random.default_rng(0)
    numbers = {
        "x": rng.standard_normal(columns),
        "weight": rng.standard_normal((rows, columns)),
        "y": np.zeros(rows + 1),
    }
    numbers["bias"] = rng.standard_normal(rows)
    single = {name: numbers[name].astype(np.float32) for name in ADDRESSES}
    where = {name: address(array) for name, array in single.items() if with_bias or name != "bias"}
    Job(
        "multiply_vector", DENSE, {"items": -(-rows // ROWS), "rows": rows, "columns": columns, "slope": 0.5, **where}
    ).run()
    expected = single["weight"].astype(np.float64) @ single["x"] + (single["bias"] if with_bias else 0)
    expected[expected < 0] *= 0.5
    np.testing.assert_allclose(single["y"][:rows], expected, rtol=1e-5, atol=1e-5 * np.sqrt(columns))
    assert single["y"][rows] == 0
    assert list(LOOPS) == ["multiply_vector"]
