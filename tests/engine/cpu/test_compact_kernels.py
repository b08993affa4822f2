"""Matrices in 28 bits a number: written and read to the last bit, and multiplied, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.compact_job import BLOCK, CODES, COMPACT, MISFIT, NUMBERS, TABLES, stride
from caffe_sdk.engine.cpu.compact_kernels import LOOPS
from caffe_sdk.engine.cpu.dense_job import ROWS
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.loops import codes
from caffe_sdk.memory import Array


class Coded:
    """A matrix in codes, where its numbers were."""

    def __init__(self, matrix: Array) -> None:
        self.rows, self.columns = matrix.shape
        self.buffer = matrix.copy()
        self.least, counts = np.zeros(self.rows, np.int32), np.zeros(self.rows + 1, np.int32)
        self.begins = counts
        self.misfits = np.zeros(0, np.uint8)
        self.run("survey", numbers=address(self.buffer))
        self.begins = np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int32)
        self.misfits = np.zeros(MISFIT * self.begins[-1], np.uint8)
        self.run("write_codes", items=1, numbers=address(self.buffer))

    def run(self, loop: str, **values: float) -> None:
        items = -(-self.rows // ROWS)
        sizes = {"items": items, "rows": self.rows, "columns": self.columns, "codes": address(self.buffer)}
        tables = {name: address(getattr(self, name)) for name in TABLES}
        Job(loop, COMPACT, {**sizes, **tables, **values}).run()

    def numbers(self) -> Array:
        numbers = np.full((self.rows, self.columns), np.nan, np.float32)
        self.run("read_codes", numbers=address(numbers))
        return numbers


def matrix(rows: int, columns: int) -> Array:
    rng = np.random.default_rng(rows + columns)
    return (rng.standard_normal((rows, columns)) * 10.0 ** rng.integers(-12, 12, (rows, 1))).astype(np.float32)


def test_the_layout_is_known_to_those_who_do_not_import_numba():
    assert (NUMBERS, BLOCK, CODES) == (codes.NUMBERS, codes.BLOCK, codes.CODES)
    assert stride(300) == 2 * CODES + 44 * 4
    assert set(LOOPS) == {"survey", "write_codes", "read_codes", "multiply_compact"}


@pytest.mark.parametrize("columns", [1, 127, 128, 129, 1024, 1300, 2048])
@pytest.mark.parametrize("rows", [1, 31, 70])
def test_numbers_are_the_same_to_the_last_bit(rows: int, columns: int) -> None:
    expected = matrix(rows, columns)
    coded = Coded(expected)
    np.testing.assert_array_equal(coded.numbers().view(np.int32), expected.view(np.int32))
    assert coded.begins[-1] <= 1 + expected.size // 1000


def test_every_number_there_is_comes_back() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, (64, 2048), np.uint64).astype(np.uint32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, 2.0**-126], np.float32)
    bits[3, :9] = special.view(np.uint32)
    bits[4] = 0
    coded = Coded(bits.view(np.float32))
    np.testing.assert_array_equal(coded.numbers().view(np.uint32), bits)
    assert coded.begins[4] == coded.begins[5]  # a row of zeros has codes


def test_what_has_no_code_is_what_is_a_65536th_of_the_largest() -> None:
    row = np.linspace(1, 1.9, 128, dtype=np.float32)[None] * 4  # so the largest is 4 to 8, the least power 2**-13
    for odd, misfits in ((2.0**-13, 0), (-(2.0**-13), 0), (np.nextafter(np.float32(2.0**-13), np.float32(0)), 1)):
        row[0, 77] = odd
        coded = Coded(row)
        assert coded.least[0] == 127 - 13
        assert coded.begins[1] == misfits
        if misfits:
            assert coded.misfits.view(np.int32)[0] == 77
            assert coded.misfits.view(np.float32)[1] == row[0, 77]


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 128), (5, 1), (33, 1100), (70, 2048), (64, 4224)])
def test_product(rows: int, columns: int, with_bias: bool, slope: float) -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((rows, columns)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.01] *= np.float32(1e-9)  # no codes for these
    weight[0, ::7] = 0
    x, bias = (rng.standard_normal(count).astype(np.float32) for count in (columns, rows))
    y = np.full(rows + 1, 7, np.float32)
    where = {"x": address(x), "y": address(y)} | ({"bias": address(bias)} if with_bias else {})
    Coded(weight).run("multiply_compact", slope=slope, **where)
    expected = weight.astype(np.float64) @ x + (bias if with_bias else 0)
    expected[expected < 0] *= slope
    np.testing.assert_allclose(y[:rows], expected, rtol=1e-5, atol=1e-5 * np.sqrt(columns))
    assert y[rows] == 7


def test_what_is_no_number_spoils_its_row_and_no_other() -> None:
    weight = np.ones((40, 256), np.float32)
    weight[3, 5], weight[39, 200] = np.nan, np.inf
    x, y = np.ones(256, np.float32), np.zeros(40, np.float32)
    Coded(weight).run("multiply_compact", slope=1.0, x=address(x), y=address(y))
    assert np.isnan(y[3])
    assert y[39] == np.inf
    assert (np.delete(y, [3, 39]) == 256).all()
