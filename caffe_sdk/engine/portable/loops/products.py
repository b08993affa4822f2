"""Small pieces of products of matrices, summed in registers: functions for loops that Numba compiles.

Importing this module imports Numba.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators, no-warn-unused-ignores
from __future__ import annotations

import functools
import itertools
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from caffe_sdk.engine.portable.loops import instructions as emit
from caffe_sdk.engine.portable.loops.instructions import CONTRACT, INT, LANES, NBYTES
from caffe_sdk.engine.portable.loops.vectors import intrinsic

IN_REGISTERS = 4 if binding.get_host_cpu_features().get("avx512f") else 1
"""Vectors next to each other that a product of matrices sums at once, for six rows: more have no room in registers."""


def product(rows: int, width: int, distance: int, depth: int) -> Any:
    """A function ``multiply(a, a_row, a_step, b, c, count, add)`` for a small piece of a product of matrices.

    c = a b, or c + a b if ``add``. c has ``rows`` rows of ``width`` vectors. Rows of b and c are ``distance`` bytes
    apart; the numbers of a are ``a_row`` bytes apart along its rows and ``a_step`` along
    the ``count`` columns that are summed over. All others are addresses. ``depth`` products are summed in registers
    (rows x width + width + 1 of them), and the sums of so many then added up: short sums have small rounding errors.
    """
    row_of_b = INT(distance)

    @intrinsic
    def multiply(typing: Any, a: Any, a_row: Any, a_step: Any, b: Any, c: Any, count: Any, add: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, a_step, b, c, count, add = arguments
            piece = [(i, j) for i in range(rows) for j in range(width)]
            totals = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
            sums = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
            with cgutils.for_range_slice(builder, INT(0), count, INT(depth), INT) as (start, _):
                for at in piece:
                    builder.store(emit.ZERO, sums[at])
                here = builder.add(a, builder.mul(start, a_step))
                starts = [builder.add(here, builder.mul(a_row, INT(i))) for i in range(rows)]
                first = builder.add(b, builder.mul(start, row_of_b))
                left = builder.sub(count, start)
                deep = builder.select(builder.icmp_signed("<", left, INT(depth)), left, INT(depth))
                with cgutils.for_range(builder, deep) as loop:
                    row = builder.add(first, builder.mul(loop.index, row_of_b))
                    vectors = [emit.load(builder, row, NBYTES * j) for j in range(width)]
                    column = builder.mul(loop.index, a_step)
                    for i in range(rows):
                        pointer = builder.inttoptr(builder.add(starts[i], column), ir.FloatType().as_pointer())
                        number = emit.splat(builder, builder.load(pointer, align=4))
                        for j in range(width):
                            term = builder.fmul(number, vectors[j], flags=CONTRACT)
                            emit.increase(builder, sums[i, j], term)
                for at in piece:
                    emit.increase(builder, totals[at], builder.load(sums[at]))
            for i, j in piece:
                before = builder.select(add, emit.load(builder, c, i * distance + NBYTES * j), emit.ZERO)
                emit.increase(builder, totals[i, j], before)
                emit.store(builder, builder.load(totals[i, j]), c, i * distance + NBYTES * j)
            return context.get_dummy_value()

        size = types.int64
        return types.void(size, size, size, size, size, size, types.boolean), made

    return multiply


FOUR = 4
"""Steps of a block product that are written one after the other: more take long to compile, and no less to compute."""


def block_product(rows: int, width: int, lines: int = 0) -> Any:
    """A function ``multiply(a, b, c, add, ahead)`` for ``rows`` rows of sixteen numbers times sixteen of vectors.

    c = a b, or c + a b if ``add``. Rows of a follow each other, and so do those of b and c, of ``width`` vectors each.
    So many ``lines`` of 64 bytes from ``ahead`` on are brought near meanwhile, a multiple of four up to sixteen.
    """
    piece = [(i, j) for i in range(rows) for j in range(width)]

    @intrinsic
    def multiply(typing: Any, a: Any, b: Any, c: Any, add: Any, ahead: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, c, add, ahead = arguments
            sums = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
            for at in piece:
                builder.store(emit.ZERO, sums[at])
            with cgutils.for_range(builder, INT(LANES // FOUR)) as loop:
                of_a = builder.add(a, builder.mul(loop.index, INT(4 * FOUR)))
                of_b = builder.add(b, builder.mul(loop.index, INT(FOUR * width * NBYTES)))
                line = builder.add(ahead, builder.mul(loop.index, INT(lines // FOUR * NBYTES)))
                for k in range(FOUR):
                    if k < lines // FOUR:
                        emit.prefetch(builder, line, NBYTES * k)
                    vectors = [emit.load(builder, of_b, NBYTES * (width * k + j)) for j in range(width)]
                    for i in range(rows):
                        number = emit.number(builder, of_a, NBYTES * i + 4 * k)
                        for j in range(width):
                            emit.increase(builder, sums[i, j], builder.fmul(number, vectors[j], flags=CONTRACT))
            with builder.if_then(add):
                for i, j in piece:
                    emit.increase(builder, sums[i, j], emit.load(builder, c, NBYTES * (width * i + j)))
            for i, j in piece:
                emit.store(builder, builder.load(sums[i, j]), c, NBYTES * (width * i + j))
            return context.get_dummy_value()

        size = types.int64
        return types.void(size, size, size, types.boolean, size), made

    return multiply


def dot_products(rows: int, width: int, ahead: int) -> Any:
    """A function ``multiply(a, a_row, b, b_row, count, c)`` for the products of some rows of a with some of b.

    c (rows, width) are vectors; each becomes greater by the products of a row of a and one of b, of which ``count``
    bytes from an address on are multiplied. Rows are ``a_row`` and ``b_row`` bytes apart, and those of b are fetched so
    many bytes ``ahead``. Sums are in registers (rows x width + width + 1 of them) meanwhile.
    """

    @intrinsic
    def multiply(typing: Any, a: Any, a_row: Any, b: Any, b_row: Any, count: Any, c: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, b, b_row, count, c = arguments
            piece = [(i, j) for i in range(rows) for j in range(width)]
            sums = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
            for at in piece:
                builder.store(emit.ZERO, sums[at])
            of_a = [builder.add(a, builder.mul(a_row, INT(i))) for i in range(rows)]
            of_b = [builder.add(b, builder.mul(b_row, INT(j))) for j in range(width)]
            with cgutils.for_range_slice(builder, INT(0), count, INT(NBYTES), INT) as (start, _):
                vectors = [emit.load(builder, builder.add(row, start), 0) for row in of_b]
                for row in of_b:
                    emit.prefetch(builder, builder.add(row, start), ahead)
                for i, row in enumerate(of_a):
                    vector = emit.load(builder, builder.add(row, start), 0)
                    for j in range(width):
                        emit.increase(builder, sums[i, j], builder.fmul(vector, vectors[j], flags=CONTRACT))
            for i, j in piece:
                offset = NBYTES * (width * i + j)
                emit.store(builder, builder.fadd(builder.load(sums[i, j]), emit.load(builder, c, offset)), c, offset)
            return context.get_dummy_value()

        size = types.int64
        return types.void(size, size, size, size, size, size), made

    return multiply


def blocked_product(rows: int, width: int, fetching: bool = False) -> Any:
    """A function for a small piece of a product of matrices that lie in blocks of 16 columns, and what becomes of it.

    ``multiply(a, a_outer, a_inner, b, b_block, c, c_block, outer, inner, scale, shift, first, last, residual, slope,
    ahead)``: c is a b scale, to which is added what it was, or if ``first`` the shift and, where its address is not 0,
    a residual that lies as c does and may be c; if ``last``, numbers below 0 are then multiplied by ``slope``. c has
    ``rows`` rows of ``width`` vectors, which are ``c_block`` bytes apart; scale and shift have one. Rows of a and c
    follow each other. What is summed over are ``outer`` times ``inner`` blocks of a, which are ``a_outer`` and
    ``a_inner`` bytes apart, and as many times 16 rows of b, which follow each other; those for the next vector of c are
    ``b_block`` bytes on. If ``fetching``, a quarter as many of b are brought near meanwhile, from ``ahead`` on.
    """
    piece = [(i, j) for i in range(rows) for j in range(width)]

    @intrinsic
    def multiply(
        typing: Any,
        a: Any,
        a_outer: Any,
        a_inner: Any,
        b: Any,
        b_block: Any,
        c: Any,
        c_block: Any,
        outer: Any,
        inner: Any,
        scale: Any,
        shift: Any,
        first: Any,
        last: Any,
        residual: Any,
        slope: Any,
        ahead: Any,
    ) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            c, c_block, scale, shift, first, last, residual, slope, ahead = arguments[5:7] + arguments[9:]
            sums = _sums_of_blocks(builder, piece, arguments[:5], arguments[7:9], ahead if fetching else None)
            columns = [builder.mul(c_block, INT(j)) for j in range(width)]
            others = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
            with builder.if_else(first) as (begin, go_on):
                with begin:
                    for i, j in piece:
                        builder.store(emit.load(builder, shift, NBYTES * j), others[i, j])
                    with builder.if_then(builder.icmp_signed("!=", residual, INT(0))):
                        for i, j in piece:
                            at = builder.add(residual, columns[j])
                            emit.increase(builder, others[i, j], emit.load(builder, at, NBYTES * i))
                with go_on:
                    for i, j in piece:
                        builder.store(emit.load(builder, builder.add(c, columns[j]), NBYTES * i), others[i, j])
            for i, j in piece:
                term = builder.fmul(builder.load(sums[i, j]), emit.load(builder, scale, NBYTES * j), flags=CONTRACT)
                emit.increase(builder, others[i, j], term)
            with builder.if_then(last):
                below = emit.splat(builder, slope)
                for at in piece:
                    builder.store(emit.rectified(builder, builder.load(others[at]), below), others[at])
            for i, j in piece:
                emit.store(builder, builder.load(others[i, j]), builder.add(c, columns[j]), NBYTES * i)
            return context.get_dummy_value()

        size, yes = types.int64, types.boolean
        return types.void(*(size,) * 11, yes, yes, size, types.float32, size), made

    return multiply


def _sums_of_blocks(
    builder: Any, piece: list[tuple[int, int]], addresses: tuple[Any, ...], counts: tuple[Any, Any], ahead: Any
) -> dict[tuple[int, int], Any]:
    """The products of a `blocked_product`, summed in registers: for each row and vector of the piece."""
    a, a_outer, a_inner, b, b_block = addresses
    outer, inner = counts
    rows, width = (1 + max(at) for at in zip(*piece, strict=True))
    sums = {at: cgutils.alloca_once_value(builder, emit.ZERO) for at in piece}
    for at in piece:
        builder.store(emit.ZERO, sums[at])
    with cgutils.for_range(builder, outer) as around, cgutils.for_range(builder, inner) as loop:
        here = builder.add(a, builder.mul(around.index, a_outer))
        here = builder.add(here, builder.mul(loop.index, a_inner))
        block = builder.add(builder.mul(around.index, inner), loop.index)
        row = builder.add(b, builder.mul(block, INT(LANES * NBYTES)))
        rows_of_b = [builder.add(row, builder.mul(b_block, INT(j))) for j in range(width)]
        for k in range(LANES):
            if ahead is not None and k % 4 == 0:
                line = builder.add(ahead, builder.mul(block, INT(LANES * NBYTES // 4)))
                for j in range(width):
                    emit.prefetch(builder, builder.add(line, builder.mul(b_block, INT(j))), NBYTES * k // 4)
            vectors = [emit.load(builder, rows_of_b[j], NBYTES * k) for j in range(width)]
            for i in range(rows):
                number = emit.number(builder, here, NBYTES * i + 4 * k)
                for j in range(width):
                    emit.increase(builder, sums[i, j], builder.fmul(number, vectors[j], flags=CONTRACT))
    return sums


def product_in_lanes(filters: int, vectors: int, pooled: bool) -> Any:
    """A function for some filters at four or two places of images of which sixteen lie side by side, one in each lane.

    ``multiply(x, taps, count, across, down, w, w_filter, bias, slope, y, y_filter, y_across, y_down)``: the first place
    is at ``x``, the others ``across``, ``down`` and both from there. ``taps`` is where the distances are (64 bits) from
    a place to each of the ``count`` numbers that are multiplied by those of a filter, of which the next is ``w_filter``
    bytes on. A bias for each filter is added to the sums, and what is below 0 multiplied by ``slope``. Results are as
    far apart as ``y_across`` and ``y_down`` say, or if ``pooled`` the greatest is the only one; those of filters are
    ``y_filter`` bytes apart.
    """

    @intrinsic
    def multiply(typing: Any, *operands: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            given = cgutils.unpack_tuple(builder, arguments[0])
            x, taps, count, across, down, w, w_filter, bias, slope, y, y_filter, y_across, y_down = given
            places = [INT(0), across, down, builder.add(across, down)][:vectors]
            ahead = builder.add(w, builder.mul(w_filter, INT(filters)))
            sums = [[cgutils.alloca_once_value(builder, emit.ZERO) for _ in places] for _ in range(filters)]
            for total in itertools.chain(*sums):
                builder.store(emit.ZERO, total)
            with cgutils.for_range(builder, count) as loop:
                tap = builder.inttoptr(builder.add(taps, builder.mul(loop.index, INT(8))), INT.as_pointer())
                here = builder.add(x, builder.load(tap))
                numbers = [emit.load(builder, builder.add(here, place), 0) for place in places]
                of_w = builder.add(w, builder.mul(loop.index, INT(4)))
                if not pooled:
                    emit.prefetch(builder, builder.add(ahead, builder.mul(loop.index, INT(NBYTES))))
                for f, of_filter in enumerate(sums):
                    number = emit.number(builder, builder.add(of_w, builder.mul(w_filter, INT(f))), 0)
                    for total, vector in zip(of_filter, numbers, strict=True):
                        emit.increase(builder, total, builder.fmul(number, vector, flags=CONTRACT))
            below, offsets = emit.splat(builder, slope), [INT(0), y_across, y_down, builder.add(y_across, y_down)]
            for f, of_filter in enumerate(sums):
                shift = emit.number(builder, bias, 4 * f)
                values = [builder.fadd(builder.load(total), shift) for total in of_filter]
                if pooled:
                    values = [functools.reduce(functools.partial(_greater, builder), values)]
                to = builder.add(y, builder.mul(y_filter, INT(f)))
                for value, offset in zip(values, offsets, strict=False):
                    emit.store(builder, emit.rectified(builder, value, below), builder.add(to, offset), 0)
            return context.get_dummy_value()

        return types.void(types.StarArgTuple(operands)), made

    return multiply


def _greater(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", b, a), b, a)
