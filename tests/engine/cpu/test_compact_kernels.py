"""Matrices in 28 bits a number: written and read to the last bit, and multiplied, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.compact_job import (
    CODES,
    COMPACT,
    ROW,
    SLAB,
    SLABS,
    TABLES,
    list_of_x,
    slabs,
    writing_room,
)
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
        self.many = slabs(self.rows)
        self.buffer = np.zeros((self.many * SLAB, self.columns), np.float32)
        self.buffer[: self.rows] = matrix
        self.least, self.begins = np.zeros((self.many, SLAB), np.int32), np.zeros(1, np.int32)
        self.misfits = np.zeros((self.many, SLAB), np.int32)
        self.room = np.zeros(writing_room(self.columns) + self.many * ROW + ROW, np.uint8)
        self.listed = np.zeros(list_of_x(self.columns), np.uint8)
        self.run("survey", -(-self.rows // ROWS), numbers=address(self.buffer))
        self.begins = np.concatenate([[0], np.cumsum(self.misfits.sum(1))]).astype(np.int32)
        self.misfits = np.zeros((self.begins[-1], 2), np.int32)
        self.run("write_codes", 1, numbers=address(self.buffer))

    def run(self, loop: str, items: int, **values: float) -> None:
        sizes = {"items": items, "rows": self.rows, "columns": self.columns, "codes": address(self.buffer)}
        where = {name: address(getattr(self, name)) for name in (*TABLES, "room", "listed")}
        Job(loop, COMPACT, {**sizes, **where, **values}).run()

    def numbers(self) -> Array:
        numbers = np.full((self.rows, self.columns), np.nan, np.float32)
        self.run("read_codes", 1, numbers=address(numbers))
        return numbers

    def multiply(self, x: Array, y: Array, bias: Array | None = None, slope: float = 1.0) -> None:
        where = {"x": address(x), "y": address(y), "bias": 0 if bias is None else address(bias), "slope": slope}
        self.run("list_numbers", 1, **where)
        self.run("multiply_compact", -(-self.many // SLABS), **where)


def matrix(rows: int, columns: int) -> Array:
    rng = np.random.default_rng(rows + columns)
    return (rng.standard_normal((rows, columns)) * 10.0 ** rng.integers(-12, 12, (rows, 1))).astype(np.float32)


def test_the_layout_is_known_to_those_who_do_not_import_numba() -> None:
    assert (SLAB, ROW, CODES) == (codes.NUMBERS, codes.BLOCK, codes.CODES)
    assert set(LOOPS) == {"survey", "write_codes", "read_codes", "list_numbers", "multiply_compact"}


@pytest.mark.parametrize("columns", [128, 1024])
@pytest.mark.parametrize("rows", [1, 31, 128, 300])
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
    assert not any(row == 4 for row in coded.misfits[:, 0] % SLAB), "a row of zeros has codes"


def test_what_has_no_code_is_less_than_a_65536th_of_the_largest() -> None:
    row = np.linspace(1, 1.9, 128, dtype=np.float32)[None] * 4  # so the largest is 4 to 8, the least power 2**-13
    for odd, misfits in ((2.0**-13, 0), (-(2.0**-13), 0), (np.nextafter(np.float32(2.0**-13), np.float32(0)), 1)):
        row[0, 77] = odd
        coded = Coded(row)
        assert coded.least.view(np.float32)[0, 0] == 2.0**-13
        assert coded.begins[1] == misfits
        if misfits:
            assert coded.misfits[0, 0] == 77 * SLAB
            assert coded.misfits.view(np.float32)[0, 1] == row[0, 77]


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("zeros", [0.0, 0.8, 1.0])
@pytest.mark.parametrize(("rows", "columns"), [(1, 128), (33, 1152), (270, 2048), (640, 128)])
def test_product(rows: int, columns: int, zeros: float, with_bias: bool, slope: float) -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((rows, columns)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.01] *= np.float32(1e-9)  # no codes for these
    weight[0, ::7] = 0
    x, bias = (rng.standard_normal(count).astype(np.float32) for count in (columns, rows))
    x[rng.random(columns) < zeros] = 0
    y = np.full(rows + 16, 7, np.float32)
    Coded(weight).multiply(x, y, bias if with_bias else None, slope)
    expected = weight.astype(np.float64) @ x + (bias if with_bias else 0)
    expected[expected < 0] *= slope
    np.testing.assert_allclose(y[:rows], expected, rtol=1e-5, atol=1e-5 * np.sqrt(columns))
    assert (y[rows:] == 7).all()


def test_what_is_no_number_spoils_its_row_and_no_other() -> None:
    weight = np.ones((200, 256), np.float32)
    weight[3, 5], weight[199, 200] = np.nan, np.inf
    x, y = np.ones(256, np.float32), np.zeros(200, np.float32)
    coded = Coded(weight)
    coded.multiply(x, y)
    assert np.isnan(y[3])
    assert y[199] == np.inf
    assert (np.delete(y, [3, 199]) == 256).all()
    x[[5, 200]] = 0
    coded.multiply(x, y)
    assert np.isnan(y[[3, 199]]).all(), "0 times infinity is no number, also where 0 is left out"
    assert (np.delete(y, [3, 199]) == 254).all()
