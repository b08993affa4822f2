"""LLVM's instructions that loops are made of, for functions that say which instructions they are.

Each takes a builder, and addresses as 64-bit integers. Importing this module imports Numba.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
NBYTES = 4 * LANES
FLOATS, DOUBLES = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
ZERO = ir.Constant(FLOATS, [0.0] * LANES)
INT = ir.IntType(64)
CONTRACT = ("contract",)  # a * b + c may round once


def prefetch(builder: Any, address: Any, offset: int = 0) -> None:
    """Have the 64 bytes at an address and an offset brought into the second-level cache."""
    pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    read, second_level, data = word(0), word(2), word(1)
    builder.call(function, [builder.inttoptr(builder.add(address, INT(offset)), pointer), read, second_level, data])


def keep_order(builder: Any) -> None:
    """Let what is read before be read before, and what is fetched after be fetched after: there is no instruction."""
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)


def number(builder: Any, address: Any, offset: int) -> Any:
    """The float32 number at an address and an offset, sixteen times."""
    pointer = builder.inttoptr(builder.add(address, INT(offset)), ir.FloatType().as_pointer())
    return splat(builder, builder.load(pointer, align=4))


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c of vectors, rounded once where the processor can."""
    kind = ir.FunctionType(FLOATS, [FLOATS, FLOATS, FLOATS])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), [a, b, c])


def rectified(builder: Any, vector: Any, slope: Any) -> Any:
    """The vector where it is greater than 0, slope * vector elsewhere."""
    positive = builder.fcmp_ordered(">", vector, ZERO)
    return builder.select(positive, vector, builder.fmul(vector, slope))


def increase(builder: Any, total: Any, term: Any) -> None:
    """Add a term to the variable of a total."""
    builder.store(builder.fadd(builder.load(total), term, flags=CONTRACT), total)


def load(builder: Any, address: Any, offset: int) -> Any:
    """The vector at an address and an offset."""
    return builder.load(builder.inttoptr(builder.add(address, INT(offset)), FLOATS.as_pointer()), align=4)


def store(builder: Any, vector: Any, address: Any, offset: int) -> None:
    """Put a vector at an address and an offset."""
    builder.store(vector, builder.inttoptr(builder.add(address, INT(offset)), FLOATS.as_pointer()), align=4)


def splat(builder: Any, number: Any, kind: Any = FLOATS) -> Any:
    """A vector of one number sixteen times."""
    nothing = ir.Constant(kind, ir.Undefined)
    return shuffled(builder, builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, [0] * LANES)


def shuffled(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    """Sixteen numbers of two vectors."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))
