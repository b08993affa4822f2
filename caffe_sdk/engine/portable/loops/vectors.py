"""Sixteen float32 numbers at once, as a type of Numba's, and what else loops need that Numba does not offer.

A `Vector` is one register where the processor has AVX-512, a few of them elsewhere. Loops written with it need no
vectorizer's luck: what is written is what is computed, in registers. Memory is addressed by plain integers, in bytes.
Importing this module imports Numba.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators, no-warn-unused-ignores
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from caffe_sdk.engine.portable.loops import instructions as emit
from caffe_sdk.engine.portable.loops.instructions import INT, LANES


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
        super().__init__(manager, kind, emit.FLOATS)


@register_model(_DoublesType)
class _DoublesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, emit.DOUBLES)


# -- memory ------------------------------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """The vector at an address, which must be a multiple of 4."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit.load(builder, arguments[0], 0)

    return Vector(types.int64), made


@intrinsic
def store(typing: Any, address: Any, vector: Any) -> Any:
    """Put a vector at an address, which must be a multiple of 4."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit.store(builder, arguments[1], arguments[0], 0)
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
        return emit.splat(builder, arguments[0], emit.DOUBLES if wide else emit.FLOATS)

    return WideVector(types.float64) if wide else Vector(types.float32), made


@intrinsic
def widened(typing: Any, vector: Any) -> Any:
    """The same numbers with 64 bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(arguments[0], emit.DOUBLES)

    return WideVector(Vector), made


@intrinsic
def rounded(typing: Any, vector: Any) -> Any:
    """The nearest numbers of 32 bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptrunc(arguments[0], emit.FLOATS)

    return Vector(WideVector), made


@intrinsic
def transpose(typing: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> Any:
    """Sixteen vectors at an address and so many bytes apart, as sixteen others: the i-th of each is the i-th vector."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, source_step, target, target_step = arguments
        rows = [emit.load(builder, builder.add(source, builder.mul(source_step, INT(i))), 0) for i in range(LANES)]
        for distance in (1, 2, 4, 8):
            low = [i if not i & distance else LANES + i - distance for i in range(LANES)]
            high = [i + distance if not i & distance else LANES + i for i in range(LANES)]
            for i in (i for i in range(LANES) if not i & distance):
                pair = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = (emit.shuffled(builder, *pair, lanes) for lanes in (low, high))
        for i, row in enumerate(rows):
            emit.store(builder, row, builder.add(target, builder.mul(target_step, INT(i))), 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), made


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Have the 64 bytes at an address brought near, into the second-level cache, while other things are computed."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit.prefetch(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), made


def _counter(index: int) -> Any:
    """A function that counts up the 64-bit integer at an index from where a pointer points."""

    @intrinsic
    def count_up(typing: Any, pointer: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first = builder.bitcast(arguments[0], INT.as_pointer())
            return builder.atomic_rmw("add", builder.gep(first, [INT(index)]), INT(1), "monotonic")

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
        before = builder.atomic_rmw("xchg", builder.inttoptr(arguments[0], INT.as_pointer()), INT(1), "monotonic")
        return builder.icmp_signed("==", before, INT(0))

    return types.boolean(types.int64), made


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _operator(function: Any, instruction: str) -> None:
    @infer_global(function)
    class _Typing(ConcreteTemplate):
        cases = (signature(Vector, Vector, Vector), signature(WideVector, WideVector, WideVector))

    @lower_builtin(function, Vector, Vector)
    @lower_builtin(function, WideVector, WideVector)
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=emit.CONTRACT)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once where the processor can, also where a * b is needed again."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit.fused(builder, *arguments)

    return Vector(Vector, Vector, Vector), made


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """The sum of sixteen numbers of 32 bits, added up in any order."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.FloatType()
        kind = ir.FunctionType(number, [number, emit.FLOATS])
        add_up = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add_up, [number(0.0), arguments[0]], fastmath=("reassoc",))

    return types.float32(Vector), made


@intrinsic
def rectified(typing: Any, vector: Any, slope: Any) -> Any:
    """The vector where it is greater than 0, slope * vector elsewhere."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit.rectified(builder, *arguments)

    return Vector(Vector, Vector), made
