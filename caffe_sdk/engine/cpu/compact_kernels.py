"""Matrices in 28 bits a number: written, read, and multiplied by a vector. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.compact_job import BLOCK, CODES, COMPACT, MISFIT, NUMBERS
from caffe_sdk.engine.cpu.dense_job import APART, ROWS
from caffe_sdk.engine.cpu.dense_kernels import AHEAD, PIECE, finish
from caffe_sdk.engine.portable.loops.codes import (
    POWERS,
    decode,
    encode,
    has_code,
    largest_exponent,
    load_integer,
    misfits,
    multiply_codes,
    stand_in,
    store_integer,
)
from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import NBYTES
from caffe_sdk.engine.portable.loops.vectors import (
    load_number,
    prefetch,
    splat,
    store_number,
    take_ticket,
    total,
)

compiler: Any = numba
BLOCKS = PIECE // BLOCK
"""Of a row, summed by themselves."""


@inlined
def _sizes(job: Any) -> Any:
    """A row's blocks, its bytes as numbers, and its bytes as codes."""
    blocks = job.columns // NUMBERS
    return blocks, 4 * job.columns, 4 * job.columns - blocks * (BLOCK - CODES)


# -- written and read --------------------------------------------------------------------------------------------------


def survey(pointer: Any) -> None:
    """Each row's least exponent, and in place of where its misfits begin, how many it has. Items: each `ROWS` rows."""
    job = compiler.carray(pointer, 1)[0]
    blocks, length, _ = _sizes(job)
    item = take_ticket(pointer)
    while item < job.items:
        for row in range(item * ROWS, min((item + 1) * ROWS, job.rows)):
            at, largest, count = job.numbers + row * length, 0, 0
            for block in range(blocks):
                largest = max(largest, largest_exponent(at + block * BLOCK))
            least = max(largest - (POWERS - 1), 0)
            for block in range(blocks):
                count += misfits(at + block * BLOCK, least)
            store_integer(job.least + 4 * row, least)
            store_integer(job.begins + 4 * row, count)
        item = take_ticket(pointer)


def write_codes(pointer: Any) -> None:
    """Numbers become codes, which may lie where the numbers are. One item."""
    job = compiler.carray(pointer, 1)[0]
    blocks, length, stride = _sizes(job)
    misfit = job.misfits
    for row in range(job.rows):
        source, target, least = job.numbers + row * length, job.codes + row * stride, load_integer(job.least + 4 * row)
        for block in range(blocks):
            at = source + block * BLOCK
            if misfits(at, least) > 0:
                for i in range(NUMBERS):
                    if not has_code(at + 4 * i, least):
                        store_integer(misfit, block * NUMBERS + i)
                        store_number(misfit + 4, load_number(at + 4 * i))
                        misfit += MISFIT
            encode(at, least, target + block * CODES)
        for i in range(4 * NUMBERS * blocks, length, 4):
            store_number(target + i - blocks * (BLOCK - CODES), load_number(source + i))


def read_codes(pointer: Any) -> None:
    """Codes become numbers, elsewhere. Items: each `ROWS` rows."""
    job = compiler.carray(pointer, 1)[0]
    blocks, length, stride = _sizes(job)
    item = take_ticket(pointer)
    while item < job.items:
        for row in range(item * ROWS, min((item + 1) * ROWS, job.rows)):
            source, target = job.codes + row * stride, job.numbers + row * length
            least = load_integer(job.least + 4 * row)
            for block in range(blocks):
                decode(source + block * CODES, least, target + block * BLOCK)
            for i in range(4 * NUMBERS * blocks, length, 4):
                store_number(target + i, load_number(source + i - blocks * (BLOCK - CODES)))
            for i in range(load_integer(job.begins + 4 * row), load_integer(job.begins + 4 * row + 4)):
                misfit = job.misfits + MISFIT * i
                store_number(target + 4 * load_integer(misfit), load_number(misfit + 4))
        item = take_ticket(pointer)


# -- multiplied --------------------------------------------------------------------------------------------------------


@inlined
def _misfits(job: Any, row: int, least: int) -> Any:
    """What a row's sum lacks: products of misfits, less those of the numbers that stand for them. 64 bits."""
    number = np.float64(0)
    for i in range(load_integer(job.begins + 4 * row), load_integer(job.begins + 4 * row + 4)):
        misfit = job.misfits + MISFIT * i
        x = np.float64(load_number(job.x + 4 * load_integer(misfit)))
        number += (load_number(misfit + 4) - stand_in(least)) * x
    return number


@inlined
def _four_rows(job: Any, row: int) -> None:
    """Four numbers of y; rows behind the last are the last one again, and not put anywhere."""
    blocks, length, stride = _sizes(job)
    last = job.rows - 1
    row_b, row_c, row_d = min(row + APART, last), min(row + 2 * APART, last), min(row + 3 * APART, last)
    a, b = job.codes + row * stride, job.codes + row_b * stride
    c, d = job.codes + row_c * stride, job.codes + row_d * stride
    least_a, least_b = load_integer(job.least + 4 * row), load_integer(job.least + 4 * row_b)
    least_c, least_d = load_integer(job.least + 4 * row_c), load_integer(job.least + 4 * row_d)
    least = (least_a, least_b, least_c, least_d)
    zero = splat(np.float32(0))
    sums = (zero, zero, zero, zero)
    for start in range(0, blocks, BLOCKS):
        piece = (zero, zero, zero, zero)
        for block in range(start, min(start + BLOCKS, blocks)):
            at = block * CODES
            piece = multiply_codes((a + at, b + at, c + at, d + at), least, job.x + block * BLOCK, piece, AHEAD)
        sums = (sums[0] + piece[0], sums[1] + piece[1], sums[2] + piece[2], sums[3] + piece[3])
    begin, saved = blocks * BLOCK, blocks * (BLOCK - CODES)
    finish(job, row, total(sums[0]) + _misfits(job, row, least_a), a - saved, begin, length)
    finish(job, row + APART, total(sums[1]) + _misfits(job, row_b, least_b), b - saved, begin, length)
    finish(job, row + 2 * APART, total(sums[2]) + _misfits(job, row_c, least_c), c - saved, begin, length)
    finish(job, row + 3 * APART, total(sums[3]) + _misfits(job, row_d, least_d), d - saved, begin, length)


@inlined
def _fetch_tables(job: Any, row: int) -> None:
    """Have what the tables say of an item that begins with a row brought near; somebody will soon wait for it."""
    misfits = job.misfits + MISFIT * load_integer(job.begins + 4 * row)
    for i in range(0, 4 * ROWS, NBYTES):
        prefetch(job.least + 4 * row + i)
        prefetch(job.begins + 4 * row + i)
    for i in range(0, MISFIT * ROWS, NBYTES):
        prefetch(misfits + i)


def multiply_compact(pointer: Any) -> None:
    """y = matrix x + bias, rectified. Items: each `ROWS` numbers of y."""
    job = compiler.carray(pointer, 1)[0]
    item = take_ticket(pointer)
    while item < job.items:
        _fetch_tables(job, min((item + 1) * ROWS, job.rows))
        for row in range(item * ROWS, min(item * ROWS + APART, job.rows)):
            _four_rows(job, row)
        item = take_ticket(pointer)


LOOPS = {loop.__name__: (loop, COMPACT) for loop in (survey, write_codes, read_codes, multiply_compact)}
"""What `machine_code` makes of this module, and what it works on."""
