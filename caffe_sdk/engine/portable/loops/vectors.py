"""Sixteen float32 numbers at once, as a type of Numba's, and what else loops need that Numba does not offer.

A `Vector` is one register where the processor has AVX-512, a few of them elsewhere. Loops written with it need no
vectorizer's luck: what is written is what is computed, in registers. Memory is addressed by plain integers, in bytes.
Importing this module imports Numba.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators, no-warn-unused-ignores
from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import extending, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 16
NBYTES = 4 * LANES
IN_REGISTERS = 4 if binding.get_host_cpu_features().get("avx512f") else 1
"""Vectors next to each other that a product of matrices sums at once, for six rows: more have no room in registers."""

_FLOATS, _DOUBLES = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
_ZERO = ir.Constant(_FLOATS, [0.0] * LANES)
_INT = ir.IntType(64)
_CONTRACT = ("contract",)  # a * b + c may round once


def intrinsic(function: Callable[..., Any]) -> Any:
    """A function for loops that says which instructions it is. It takes the typing context, and types of arguments."""
    return extending.intrinsic(function)


class VectorType(types.Type):
    """Numba's view of sixteen numbers."""


class _FloatsType(VectorType):
    pass


class _DoublesType(VectorType):
    pass


Vector, WideVector = _FloatsType("Vector"), _DoublesType("WideVector")
"""Sixteen numbers of 32 and of 64 bits."""


@register_model(_FloatsType)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


@register_model(_DoublesType)
class _DoublesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _DOUBLES)


# -- memory ------------------------------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """The vector at an address, which must be a multiple of 4."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(builder, arguments[0], 0)

    return Vector(types.int64), made


@intrinsic
def store(typing: Any, address: Any, vector: Any) -> Any:
    """Put a vector at an address, which must be a multiple of 4."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _store(builder, arguments[1], arguments[0], 0)
        return context.get_dummy_value()

    return types.void(types.int64, Vector), made


@intrinsic
def load_number(typing: Any, address: Any) -> Any:
    """The float32 number at an address."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))

    return types.float32(types.int64), made


@intrinsic
def store_number(typing: Any, address: Any, number: Any) -> Any:
    """Put a float32 number at an address."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), made


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """A vector of one number sixteen times, as wide as the number is."""
    wide = number == types.float64

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0], _DOUBLES if wide else _FLOATS)

    return WideVector(types.float64) if wide else Vector(types.float32), made


@intrinsic
def widened(typing: Any, vector: Any) -> Any:
    """The same numbers with 64 bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(arguments[0], _DOUBLES)

    return WideVector(Vector), made


@intrinsic
def rounded(typing: Any, vector: Any) -> Any:
    """The nearest numbers of 32 bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptrunc(arguments[0], _FLOATS)

    return Vector(WideVector), made


@intrinsic
def transpose(typing: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> Any:
    """Sixteen vectors at an address and so many bytes apart, as sixteen others: the i-th of each is the i-th vector."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, source_step, target, target_step = arguments
        rows = [_load(builder, builder.add(source, builder.mul(source_step, _INT(i))), 0) for i in range(LANES)]
        for distance in (1, 2, 4, 8):
            low = [i if not i & distance else LANES + i - distance for i in range(LANES)]
            high = [i + distance if not i & distance else LANES + i for i in range(LANES)]
            for i in (i for i in range(LANES) if not i & distance):
                pair = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = (_shuffled(builder, *pair, lanes) for lanes in (low, high))
        for i, row in enumerate(rows):
            _store(builder, row, builder.add(target, builder.mul(target_step, _INT(i))), 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), made


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Have the 64 bytes at an address brought near, into the second-level cache, while other things are computed."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _prefetch(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), made


def _counter(index: int) -> Any:
    """A function that counts up the 64-bit integer at an index from where a pointer points."""

    @intrinsic
    def count_up(typing: Any, pointer: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first = builder.bitcast(arguments[0], _INT.as_pointer())
            return builder.atomic_rmw("add", builder.gep(first, [_INT(index)]), _INT(1), "monotonic")

        return types.int64(pointer), made

    return count_up


take_ticket = _counter(0)
"""The 64-bit integer where a pointer points, one greater from now on; no two threads get the same."""
take_number = _counter(1)
"""The next one behind it, in the same way."""


@intrinsic
def claim(typing: Any, address: Any) -> Any:
    """Whether the 64-bit integer at an address was 0. It is 1 from now on, so it was for one thread only."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before = builder.atomic_rmw("xchg", builder.inttoptr(arguments[0], _INT.as_pointer()), _INT(1), "monotonic")
        return builder.icmp_signed("==", before, _INT(0))

    return types.boolean(types.int64), made


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _operator(function: Any, instruction: str) -> None:
    @infer_global(function)
    class _Typing(ConcreteTemplate):
        cases = (signature(Vector, Vector, Vector), signature(WideVector, WideVector, WideVector))

    @lower_builtin(function, Vector, Vector)
    @lower_builtin(function, WideVector, WideVector)
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=_CONTRACT)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once, also where a * b is needed again."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS, _FLOATS, _FLOATS])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), arguments)

    return Vector(Vector, Vector, Vector), made


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """The sum of sixteen numbers of 32 bits, added up in any order."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.FloatType()
        kind = ir.FunctionType(number, [number, _FLOATS])
        add_up = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add_up, [number(0.0), arguments[0]], fastmath=("reassoc",))

    return types.float32(Vector), made


@intrinsic
def rectified(typing: Any, vector: Any, slope: Any) -> Any:
    """The vector where it is greater than 0, slope * vector elsewhere."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _rectified(builder, *arguments)

    return Vector(Vector, Vector), made


# -- products of matrices ----------------------------------------------------------------------------------------------


def product(rows: int, width: int, distance: int, depth: int) -> Any:
    """A function ``multiply(a, a_row, a_step, b, c, count, add)`` for a small piece of a product of matrices.

    c = a b, or c + a b if ``add``. c has ``rows`` rows of ``width`` vectors. Rows of b and c are ``distance`` bytes
    apart; the numbers of a are ``a_row`` bytes apart along its rows and ``a_step`` along
    the ``count`` columns that are summed over. All others are addresses. ``depth`` products are summed in registers
    (rows x width + width + 1 of them), and the sums of so many then added up: short sums have small rounding errors.
    """
    row_of_b = _INT(distance)

    @intrinsic
    def multiply(typing: Any, a: Any, a_row: Any, a_step: Any, b: Any, c: Any, count: Any, add: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, a_step, b, c, count, add = arguments
            piece = [(i, j) for i in range(rows) for j in range(width)]
            totals = {at: cgutils.alloca_once_value(builder, _ZERO) for at in piece}
            sums = {at: cgutils.alloca_once_value(builder, _ZERO) for at in piece}
            with cgutils.for_range_slice(builder, _INT(0), count, _INT(depth), _INT) as (start, _):
                for at in piece:
                    builder.store(_ZERO, sums[at])
                here = builder.add(a, builder.mul(start, a_step))
                starts = [builder.add(here, builder.mul(a_row, _INT(i))) for i in range(rows)]
                first = builder.add(b, builder.mul(start, row_of_b))
                left = builder.sub(count, start)
                deep = builder.select(builder.icmp_signed("<", left, _INT(depth)), left, _INT(depth))
                with cgutils.for_range(builder, deep) as loop:
                    row = builder.add(first, builder.mul(loop.index, row_of_b))
                    vectors = [_load(builder, row, NBYTES * j) for j in range(width)]
                    column = builder.mul(loop.index, a_step)
                    for i in range(rows):
                        pointer = builder.inttoptr(builder.add(starts[i], column), ir.FloatType().as_pointer())
                        number = _splat(builder, builder.load(pointer, align=4))
                        for j in range(width):
                            term = builder.fmul(number, vectors[j], flags=_CONTRACT)
                            _increase(builder, sums[i, j], term)
                for at in piece:
                    _increase(builder, totals[at], builder.load(sums[at]))
            for i, j in piece:
                before = builder.select(add, _load(builder, c, i * distance + NBYTES * j), _ZERO)
                _increase(builder, totals[i, j], before)
                _store(builder, builder.load(totals[i, j]), c, i * distance + NBYTES * j)
            return context.get_dummy_value()

        size = types.int64
        return types.void(size, size, size, size, size, size, types.boolean), made

    return multiply


def block_product(rows: int, width: int, lines: int = 0) -> Any:
    """A function ``multiply(a, b, c, add, ahead)`` for ``rows`` rows of sixteen numbers times sixteen of vectors.

    c = a b, or c + a b if ``add``. Rows of a follow each other, and so do those of b and c, of ``width`` vectors each.
    So many ``lines`` of 64 bytes from ``ahead`` on are brought near meanwhile, at most sixteen.
    """
    piece = [(i, j) for i in range(rows) for j in range(width)]

    @intrinsic
    def multiply(typing: Any, a: Any, b: Any, c: Any, add: Any, ahead: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, c, add, ahead = arguments
            sums: dict[tuple[int, int], Any] = {}
            for k in range(LANES):
                if k < lines:
                    _prefetch(builder, ahead, NBYTES * k)
                vectors = [_load(builder, b, NBYTES * (width * k + j)) for j in range(width)]
                for i in range(rows):
                    number = _number(builder, a, NBYTES * i + 4 * k)
                    for j in range(width):
                        term = builder.fmul(number, vectors[j], flags=_CONTRACT)
                        sums[i, j] = builder.fadd(sums[i, j], term, flags=_CONTRACT) if k else term
            with builder.if_else(add) as (go_on, begin):
                with go_on:
                    for i, j in piece:
                        at = NBYTES * (width * i + j)
                        _store(builder, builder.fadd(_load(builder, c, at), sums[i, j]), c, at)
                with begin:
                    for i, j in piece:
                        _store(builder, sums[i, j], c, NBYTES * (width * i + j))
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
            sums = {at: cgutils.alloca_once_value(builder, _ZERO) for at in piece}
            for at in piece:
                builder.store(_ZERO, sums[at])
            of_a = [builder.add(a, builder.mul(a_row, _INT(i))) for i in range(rows)]
            of_b = [builder.add(b, builder.mul(b_row, _INT(j))) for j in range(width)]
            with cgutils.for_range_slice(builder, _INT(0), count, _INT(NBYTES), _INT) as (start, _):
                vectors = [_load(builder, builder.add(row, start), 0) for row in of_b]
                for row in of_b:
                    _prefetch(builder, builder.add(row, start), ahead)
                for i, row in enumerate(of_a):
                    vector = _load(builder, builder.add(row, start), 0)
                    for j in range(width):
                        _increase(builder, sums[i, j], builder.fmul(vector, vectors[j], flags=_CONTRACT))
            for i, j in piece:
                offset = NBYTES * (width * i + j)
                _store(builder, builder.fadd(builder.load(sums[i, j]), _load(builder, c, offset)), c, offset)
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
            columns = [builder.mul(c_block, _INT(j)) for j in range(width)]
            others = {at: cgutils.alloca_once_value(builder, _ZERO) for at in piece}
            with builder.if_else(first) as (begin, go_on):
                with begin:
                    for i, j in piece:
                        builder.store(_load(builder, shift, NBYTES * j), others[i, j])
                    with builder.if_then(builder.icmp_signed("!=", residual, _INT(0))):
                        for i, j in piece:
                            at = builder.add(residual, columns[j])
                            _increase(builder, others[i, j], _load(builder, at, NBYTES * i))
                with go_on:
                    for i, j in piece:
                        builder.store(_load(builder, builder.add(c, columns[j]), NBYTES * i), others[i, j])
            for i, j in piece:
                term = builder.fmul(builder.load(sums[i, j]), _load(builder, scale, NBYTES * j), flags=_CONTRACT)
                _increase(builder, others[i, j], term)
            with builder.if_then(last):
                below = _splat(builder, slope)
                for at in piece:
                    builder.store(_rectified(builder, builder.load(others[at]), below), others[at])
            for i, j in piece:
                _store(builder, builder.load(others[i, j]), builder.add(c, columns[j]), NBYTES * i)
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
    sums = {at: cgutils.alloca_once_value(builder, _ZERO) for at in piece}
    for at in piece:
        builder.store(_ZERO, sums[at])
    with cgutils.for_range(builder, outer) as around, cgutils.for_range(builder, inner) as loop:
        here = builder.add(a, builder.mul(around.index, a_outer))
        here = builder.add(here, builder.mul(loop.index, a_inner))
        block = builder.add(builder.mul(around.index, inner), loop.index)
        row = builder.add(b, builder.mul(block, _INT(LANES * NBYTES)))
        rows_of_b = [builder.add(row, builder.mul(b_block, _INT(j))) for j in range(width)]
        for k in range(LANES):
            if ahead is not None and k % 4 == 0:
                line = builder.add(ahead, builder.mul(block, _INT(LANES * NBYTES // 4)))
                for j in range(width):
                    _prefetch(builder, builder.add(line, builder.mul(b_block, _INT(j))), NBYTES * k // 4)
            vectors = [_load(builder, rows_of_b[j], NBYTES * k) for j in range(width)]
            for i in range(rows):
                number = _number(builder, here, NBYTES * i + 4 * k)
                for j in range(width):
                    _increase(builder, sums[i, j], builder.fmul(number, vectors[j], flags=_CONTRACT))
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
            places = [_INT(0), across, down, builder.add(across, down)][:vectors]
            ahead = builder.add(w, builder.mul(w_filter, _INT(filters)))
            sums = [[cgutils.alloca_once_value(builder, _ZERO) for _ in places] for _ in range(filters)]
            for total in itertools.chain(*sums):
                builder.store(_ZERO, total)
            with cgutils.for_range(builder, count) as loop:
                tap = builder.inttoptr(builder.add(taps, builder.mul(loop.index, _INT(8))), _INT.as_pointer())
                here = builder.add(x, builder.load(tap))
                numbers = [_load(builder, builder.add(here, place), 0) for place in places]
                of_w = builder.add(w, builder.mul(loop.index, _INT(4)))
                if not pooled:
                    _prefetch(builder, builder.add(ahead, builder.mul(loop.index, _INT(NBYTES))))
                for f, of_filter in enumerate(sums):
                    number = _number(builder, builder.add(of_w, builder.mul(w_filter, _INT(f))), 0)
                    for total, vector in zip(of_filter, numbers, strict=True):
                        _increase(builder, total, builder.fmul(number, vector, flags=_CONTRACT))
            below, offsets = _splat(builder, slope), [_INT(0), y_across, y_down, builder.add(y_across, y_down)]
            for f, of_filter in enumerate(sums):
                shift = _number(builder, bias, 4 * f)
                values = [builder.fadd(builder.load(total), shift) for total in of_filter]
                if pooled:
                    values = [functools.reduce(functools.partial(_greater, builder), values)]
                to = builder.add(y, builder.mul(y_filter, _INT(f)))
                for value, offset in zip(values, offsets, strict=False):
                    _store(builder, _rectified(builder, value, below), builder.add(to, offset), 0)
            return context.get_dummy_value()

        return types.void(types.StarArgTuple(operands)), made

    return multiply


def _greater(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", b, a), b, a)


def _prefetch(builder: Any, address: Any, offset: int = 0) -> None:
    pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    read, second_level, data = word(0), word(2), word(1)
    builder.call(function, [builder.inttoptr(builder.add(address, _INT(offset)), pointer), read, second_level, data])


def _number(builder: Any, address: Any, offset: int) -> Any:
    pointer = builder.inttoptr(builder.add(address, _INT(offset)), ir.FloatType().as_pointer())
    return _splat(builder, builder.load(pointer, align=4))


def _rectified(builder: Any, vector: Any, slope: Any) -> Any:
    positive = builder.fcmp_ordered(">", vector, _ZERO)
    return builder.select(positive, vector, builder.fmul(vector, slope))


def _increase(builder: Any, total: Any, term: Any) -> None:
    builder.store(builder.fadd(builder.load(total), term, flags=_CONTRACT), total)


def _load(builder: Any, address: Any, offset: int) -> Any:
    return builder.load(builder.inttoptr(builder.add(address, _INT(offset)), _FLOATS.as_pointer()), align=4)


def _store(builder: Any, vector: Any, address: Any, offset: int) -> None:
    builder.store(vector, builder.inttoptr(builder.add(address, _INT(offset)), _FLOATS.as_pointer()), align=4)


def _splat(builder: Any, number: Any, kind: Any = _FLOATS) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    return _shuffled(builder, builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, [0] * LANES)


def _shuffled(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    """Sixteen numbers of two vectors."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))
