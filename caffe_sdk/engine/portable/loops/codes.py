"""Float32 numbers in 28 bits each, 128 at once: what loops need to write and to read them.

Trained weights are of few sizes: nearly all that make one output are within a factor of 2**16 of the largest. So four
bits say which power of two a number has, the sign and the 23 bits of its fraction are kept as they are, and no digit is
lost. A code is the sign and 27 bits of the magnitude: the number's less those of the least power of two, ``least``.
What has no code, because it is 0, too small or too large, does not *fit*: it gets the code of the least power of two,
and whoever writes codes keeps it elsewhere. Where the least power is that of 0 itself, 0 fits.

A block is eight vectors, each number with a least power of its own. Their codes lie in seven vectors of 32-bit words.
Seven have signs and magnitudes where numbers have them, in bits 31 and 26 to 0. The eighth, its sign behind its
magnitude, is in bits 30 to 27 of the seven, highest first. Importing this module imports Numba.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from caffe_sdk.engine.portable.loops import instructions as emit
from caffe_sdk.engine.portable.loops.instructions import INT, LANES, NBYTES
from caffe_sdk.engine.portable.loops.vectors import Vector, intrinsic

VECTORS = 8
"""Of a block of numbers."""
NUMBERS, BLOCK, CODES = VECTORS * LANES, VECTORS * NBYTES, (VECTORS - 1) * NBYTES
"""Numbers of a block, its bytes as numbers, and as codes."""
WORD = ir.IntType(32)
WORDS = ir.VectorType(WORD, LANES)
MAGNITUDE, INFINITE = 0x7FFFFFFF, 0x7F800000
"""Which bits of a number say how large it is, and these bits of what is no finite number."""
FRACTION_BITS, POWERS = 23, 16
"""Of a code: where its power of two begins, and how many powers there are."""
LARGEST, SIGN = (1 << 27) - 1, 1 << 31
"""Which bits of a word are a code's magnitude, and which its sign."""
SHARED = 27
"""Where a word's bits of the eighth code begin."""


def _all(number: int) -> Any:
    """A vector of one word sixteen times."""
    return ir.Constant(WORDS, [number] * LANES)


def _words(builder: Any, address: Any, i: int) -> Any:
    """The i-th vector of words from an address on."""
    return builder.bitcast(emit.load(builder, address, i * NBYTES), WORDS)


def _numbers(builder: Any, codes: Any, least: Any) -> Any:
    """Eight vectors of numbers, one by one, from the seven of words at an address; least powers are at another."""
    kind = ir.FunctionType(WORDS, [WORDS, WORDS, WORDS])
    shifted = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fshl.v{LANES}i32")
    last = _all(0)
    for i in range(VECTORS):
        if i < VECTORS - 1:
            words = _words(builder, codes, i)
            last = builder.call(shifted, [last, builder.shl(words, _all(1)), _all(4)])
        else:
            words = builder.call(shifted, [last, last, _all(31)])
        code = builder.and_(words, _all(SIGN | LARGEST))
        yield builder.bitcast(builder.add(code, _words(builder, least, i)), emit.FLOATS)


def _code(builder: Any, words: Any, least: Any) -> tuple[Any, Any]:
    """Sixteen codes without signs, and where there is none."""
    code = builder.sub(builder.and_(words, _all(MAGNITUDE)), least)
    return code, builder.icmp_unsigned(">", code, _all(LARGEST))


def _reduced(builder: Any, vector: Any, how: str) -> Any:
    kind = ir.FunctionType(WORD, [WORDS])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{how}.v{LANES}i32")
    return builder.zext(builder.call(function, [vector]), INT)


# -- blocks ------------------------------------------------------------------------------------------------------------


@intrinsic
def multiply_codes(typing: Any, codes: Any, least: Any, x: Any, sums: Any, next_codes: Any) -> Any:
    """Sums, and the products of a few blocks of codes with one number. Meanwhile further codes are fetched.

    Addresses are tuples, one of each for a block, and sums are a tuple of eight vectors for each.
    """
    many = codes.count

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, least, x, sums, ahead = arguments
        codes, least, ahead = (cgutils.unpack_tuple(builder, each, many) for each in (codes, least, ahead))
        sums, factor = cgutils.unpack_tuple(builder, sums, many * VECTORS), emit.splat(builder, x)
        for block in range(many):
            for i, numbers in enumerate(_numbers(builder, codes[block], least[block])):
                if i < VECTORS - 1:
                    emit.prefetch(builder, ahead[block], i * NBYTES)
                    emit.keep_order(builder)  # all at once they would not find room on the way
                at = block * VECTORS + i
                sums[at] = emit.fused(builder, numbers, factor, sums[at])
        return context.make_tuple(builder, signature.return_type, sums)

    places, vectors = types.UniTuple(types.int64, many), types.UniTuple(Vector, many * VECTORS)
    return vectors(places, places, types.float32, vectors, places), made


@intrinsic
def add_to(typing: Any, target: Any, sums: Any) -> Any:
    """Add a tuple of vectors to those at an address, one after the other."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for i, vector in enumerate(cgutils.unpack_tuple(builder, arguments[1], sums.count)):
            before = emit.load(builder, arguments[0], i * NBYTES)
            emit.store(builder, builder.fadd(before, vector), arguments[0], i * NBYTES)
        return context.get_dummy_value()

    return types.void(types.int64, sums), made


@intrinsic
def decode(typing: Any, codes: Any, least: Any, target: Any) -> Any:
    """Put the numbers of a block of codes at an address."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, least, target = arguments
        for i, numbers in enumerate(_numbers(builder, codes, least)):
            emit.store(builder, numbers, target, i * NBYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), made


@intrinsic
def encode(typing: Any, numbers: Any, least: Any, target: Any) -> Any:
    """Put the codes of a block of numbers at an address; how many have none."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, least, target = arguments
        codes, count = [], _all(0)
        for i in range(VECTORS):
            words = _words(builder, numbers, i)
            code, odd = _code(builder, words, _words(builder, least, i))
            count = builder.add(count, builder.zext(odd, WORDS))
            codes.append(builder.select(odd, _all(0), builder.or_(code, builder.and_(words, _all(SIGN)))))
        last = builder.or_(builder.shl(codes[-1], _all(1)), builder.lshr(codes[-1], _all(31)))
        for i, code in enumerate(codes[:-1]):
            four = builder.and_(builder.lshr(last, _all(4 * (VECTORS - 2 - i))), _all(15))
            words = builder.or_(code, builder.shl(four, _all(SHARED)))
            emit.store(builder, builder.bitcast(words, emit.FLOATS), target, i * NBYTES)
        return _reduced(builder, count, "add")

    return types.int64(types.int64, types.int64, types.int64), made


# -- what makes one output: as many numbers as a block has, all with the same least power ------------------------------


@intrinsic
def misfits(typing: Any, numbers: Any, least: Any) -> Any:
    """How many numbers of a block have no code."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, count = arguments[0], _all(0)
        least = emit.splat(builder, builder.trunc(arguments[1], WORD), WORDS)
        for i in range(VECTORS):
            _, odd = _code(builder, _words(builder, numbers, i), least)
            count = builder.add(count, builder.zext(odd, WORDS))
        return _reduced(builder, count, "add")

    return types.int64(types.int64, types.int64), made


@intrinsic
def largest_exponent(typing: Any, numbers: Any) -> Any:
    """The largest exponent in a block of numbers, as their bits have it; of what is infinite or no number it is 0."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        largest = _all(0)
        for i in range(VECTORS):
            magnitude = builder.and_(_words(builder, arguments[0], i), _all(MAGNITUDE))
            finite = builder.icmp_unsigned("<", magnitude, _all(INFINITE))
            larger = builder.and_(finite, builder.icmp_unsigned(">", magnitude, largest))
            largest = builder.select(larger, magnitude, largest)
        return builder.lshr(_reduced(builder, largest, "umax"), INT(FRACTION_BITS))

    return types.int64(types.int64), made


# -- single numbers ----------------------------------------------------------------------------------------------------


@intrinsic
def has_code(typing: Any, address: Any, least: Any) -> Any:
    """Whether the number at an address has a code, where the least power of two has these bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, least = arguments
        magnitude = builder.and_(builder.load(builder.inttoptr(address, WORD.as_pointer()), align=4), WORD(MAGNITUDE))
        return builder.icmp_unsigned("<=", builder.sub(magnitude, builder.trunc(least, WORD)), WORD(LARGEST))

    return types.boolean(types.int64, types.int64), made


@intrinsic
def load_integer(typing: Any, address: Any) -> Any:
    """The signed 32-bit integer at an address."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.load(builder.inttoptr(arguments[0], WORD.as_pointer()), align=4), INT)

    return types.int64(types.int64), made


@intrinsic
def store_integer(typing: Any, address: Any, number: Any) -> Any:
    """Put a signed 32-bit integer at an address."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.trunc(arguments[1], WORD)
        builder.store(word, builder.inttoptr(arguments[0], WORD.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), made
