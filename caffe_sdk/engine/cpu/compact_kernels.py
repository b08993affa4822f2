"""Matrices in 28 bits a number: written, read, and multiplied by a vector. Importing this module imports Numba.

Rows are put into slabs of 128. A slab has its codes column by column, so that the sums of all its rows are in
registers, and a column is left out at once where x is 0, as behind a ReLU it mostly is.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from caffe_sdk.engine.cpu.compact_job import AHEAD, CODES, COLUMNS, COMPACT, MISFIT, ROW, SLAB, SLABS
from caffe_sdk.engine.cpu.dense_job import ROWS
from caffe_sdk.engine.portable.loops.codes import (
    FRACTION_BITS,
    POWERS,
    add_to,
    decode,
    encode,
    has_code,
    largest_exponent,
    load_integer,
    misfits,
    multiply_codes,
    store_integer,
)
from caffe_sdk.engine.portable.loops.compiled import inlined
from caffe_sdk.engine.portable.loops.instructions import NBYTES
from caffe_sdk.engine.portable.loops.vectors import (
    load,
    load_number,
    rectified,
    splat,
    store,
    store_number,
    take_ticket,
    transpose,
)

compiler: Any = numba

PIECE = 256
"""Columns that are summed by themselves: short sums have small rounding errors."""


# -- written and read --------------------------------------------------------------------------------------------------


def survey(pointer: Any) -> None:
    """Each row's least power of two, and in place of misfits, how many a row has. Items: each `ROWS` rows."""
    job = compiler.carray(pointer, 1)[0]
    length = 4 * job.columns
    item = take_ticket(pointer)
    while item < job.items:
        for row in range(item * ROWS, min((item + 1) * ROWS, job.rows)):
            begin, largest, count = job.numbers + row * length, 0, 0
            for at in range(begin, begin + length, ROW):
                largest = max(largest, largest_exponent(at))
            least = max(largest - (POWERS - 1), 0) << FRACTION_BITS
            for at in range(begin, begin + length, ROW):
                count += misfits(at, least)
            store_integer(job.least + 4 * row, least)
            store_integer(job.misfits + 4 * row, count)
        item = take_ticket(pointer)


@inlined
def _note_misfits(job: Any, column: int, numbers: int, least: int, misfit: int) -> Any:
    """Keep what has no code of a column of a slab; where the next is to be."""
    for row in range(SLAB):
        if not has_code(numbers + 4 * row, load_integer(least + 4 * row)):
            store_integer(misfit, column * SLAB + row)
            store_number(misfit + 4, load_number(numbers + 4 * row))
            misfit += MISFIT
    return misfit


def write_codes(pointer: Any) -> None:
    """Numbers become codes, which may lie where the numbers are. Items: one."""
    job = compiler.carray(pointer, 1)[0]
    length, zero, misfit = 4 * job.columns, splat(np.float32(0)), job.misfits
    copy, numbers = job.room, job.room + SLAB * length
    for slab in range((job.rows + SLAB - 1) // SLAB):
        begin, rows = job.numbers + slab * SLAB * length, min(job.rows - slab * SLAB, SLAB)
        for i in range(0, rows * length, NBYTES):
            store(copy + i, load(begin + i))
        for i in range(rows * length, SLAB * length, NBYTES):
            store(copy + i, zero)
        target, least = job.codes + slab * CODES * job.columns, job.least + 4 * slab * SLAB
        for first in range(0, job.columns, COLUMNS):
            for row in range(0, SLAB, COLUMNS):
                transpose(copy + row * length + 4 * first, length, numbers + 4 * row, ROW)
            for i in range(COLUMNS):
                if encode(numbers + i * ROW, least, target + (first + i) * CODES) > 0:
                    misfit = _note_misfits(job, first + i, numbers + i * ROW, least, misfit)


def read_codes(pointer: Any) -> None:
    """Codes become numbers, elsewhere. Items: one."""
    job = compiler.carray(pointer, 1)[0]
    length, numbers, square = 4 * job.columns, job.room, job.room + COLUMNS * ROW
    for slab in range((job.rows + SLAB - 1) // SLAB):
        target, rows = job.numbers + slab * SLAB * length, min(job.rows - slab * SLAB, SLAB)
        source, least = job.codes + slab * CODES * job.columns, job.least + 4 * slab * SLAB
        for first in range(0, job.columns, COLUMNS):
            for i in range(COLUMNS):
                decode(source + (first + i) * CODES, least, numbers + i * ROW)
            for row in range(0, rows, COLUMNS):
                transpose(numbers + 4 * row, ROW, square, 4 * COLUMNS)
                for i in range(min(COLUMNS, rows - row)):
                    store(target + (row + i) * length + 4 * first, load(square + i * 4 * COLUMNS))
        for i in range(load_integer(job.begins + 4 * slab), load_integer(job.begins + 4 * slab + 4)):
            column, row = divmod(load_integer(job.misfits + MISFIT * i), SLAB)
            store_number(target + row * length + 4 * column, load_number(job.misfits + MISFIT * i + 4))


# -- multiplied --------------------------------------------------------------------------------------------------------


def list_numbers(pointer: Any) -> None:
    """List what in x is not 0. Items: one."""
    job = compiler.carray(pointer, 1)[0]
    columns, numbers, count = job.listed + 4, job.listed + 4 * (1 + job.columns + AHEAD), 0
    for column in range(job.columns):
        x = load_number(job.x + 4 * column)
        store_integer(columns + 4 * count, column)
        store_number(numbers + 4 * count, x)
        count += x != np.float32(0)
    for i in range(count, count + AHEAD):
        store_integer(columns + 4 * i, job.columns - 1)
    store_integer(job.listed, count)


@inlined
def _begin_sums(job: Any, slab: int, room: int) -> None:
    """The sums of a slab begin with products of misfits, less those of what stands for them."""
    for i in range(0, ROW, NBYTES):
        store(room + i, splat(np.float32(0)))
    least = job.least + 4 * slab * SLAB
    for i in range(load_integer(job.begins + 4 * slab), load_integer(job.begins + 4 * slab + 4)):
        column, row = divmod(load_integer(job.misfits + MISFIT * i), SLAB)
        number = load_number(job.misfits + MISFIT * i + 4) - load_number(least + 4 * row)
        store_number(room + 4 * row, load_number(room + 4 * row) + number * load_number(job.x + 4 * column))


@inlined
def _finish(job: Any, slab: int, room: int) -> None:
    """y = the sums, with bias, rectified."""
    slope = splat(np.float32(job.slope))
    for i in range(0, 4 * min(job.rows - slab * SLAB, SLAB), NBYTES):
        at = 4 * slab * SLAB + i
        if at + NBYTES <= 4 * job.rows:
            sums = load(room + i)
            if job.bias != 0:
                sums = sums + load(job.bias + at)
            store(job.y + at, rectified(sums, slope))
        else:
            for j in range(0, 4 * job.rows - at, 4):
                number = load_number(room + i + j)
                if job.bias != 0:
                    number += load_number(job.bias + at + j)
                if number < np.float32(0):
                    number *= np.float32(job.slope)
                store_number(job.y + at + j, number)


def multiply_compact(pointer: Any) -> None:
    """y = matrix x + bias, rectified. Items: each two slabs."""
    job = compiler.carray(pointer, 1)[0]
    count, columns = load_integer(job.listed), job.listed + 4
    numbers = columns + 4 * (job.columns + AHEAD)
    last = (job.rows + SLAB - 1) // SLAB - 1
    zero = splat(np.float32(0))
    nothing = (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
    item = take_ticket(pointer)
    while item < job.items:
        first, second = SLABS * item, min(SLABS * item + 1, last)
        a, b = job.codes + first * CODES * job.columns, job.codes + second * CODES * job.columns
        least = (job.least + 4 * first * SLAB, job.least + 4 * second * SLAB)
        room = job.room + item * SLABS * ROW
        _begin_sums(job, first, room)
        _begin_sums(job, second, room + ROW)
        for start in range(0, count, PIECE):
            sums = nothing
            for i in range(4 * start, 4 * min(start + PIECE, count), 4):
                at, ahead = CODES * load_integer(columns + i), CODES * load_integer(columns + i + 4 * AHEAD)
                sums = multiply_codes((a + at, b + at), least, load_number(numbers + i), sums, (a + ahead, b + ahead))
            add_to(room, sums)
        _finish(job, first, room)
        if second > first:
            _finish(job, second, room + ROW)
        item = take_ticket(pointer)


LOOPS = {loop.__name__: (loop, COMPACT) for loop in (survey, write_codes, read_codes, list_numbers, multiply_compact)}
"""What `machine_code` makes of this module, and what it works on."""
