"""Float32 numbers in 28 bits each, 128 at once: what loops need to write and to read them.

Trained weights are of few sizes: nearly all of a row are within a factor of 2**16 of the largest. So four bits say
which power of two a number has, the sign and the 23 bits of its fraction are kept as they are, and no digit is lost.
A code is the sign and 27 bits of the magnitude: the number's less those of the row's least power of two, ``least``.
What has no code, because it is 0, too small or too large, does not *fit*: it gets the code of the least power of two,
and whoever writes codes keeps it elsewhere. In a row whose least power is that of 0 itself, 0 fits.

Eight vectors of codes lie in seven vectors of 32-bit words. Seven have signs and magnitudes where numbers have them,
in bits 31 and 26 to 0. The eighth, its sign behind its magnitude, is in bits 30 to 27 of the seven, highest first.
Importing this module imports Numba.
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


def _words(builder: Any, address: Any, offset: int) -> Any:
    return builder.bitcast(emit.load(builder, address, offset), WORDS)


def _least(builder: Any, least: Any) -> Any:
    """The bits of the least power of two, from its exponent."""
    bits = builder.shl(builder.trunc(least, WORD), WORD(FRACTION_BITS))
    return emit.splat(builder, bits, WORDS)


def _number(builder: Any, words: Any, least: Any) -> Any:
    """The vector of numbers whose codes are in words."""
    return builder.bitcast(builder.add(builder.and_(words, _all(SIGN | LARGEST)), least), emit.FLOATS)


def _numbers(builder: Any, address: Any, least: Any) -> Any:
    """Eight vectors of numbers, one by one, from the seven of words at an address."""
    kind = ir.FunctionType(WORDS, [WORDS, WORDS, WORDS])
    shifted = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fshl.v{LANES}i32")
    last = _all(0)
    for i in range(VECTORS - 1):
        words = _words(builder, address, i * NBYTES)
        last = builder.call(shifted, [last, builder.shl(words, _all(1)), _all(4)])
        yield _number(builder, words, least)
    yield _number(builder, builder.call(shifted, [last, last, _all(31)]), least)


def _code(builder: Any, address: Any, offset: int, least: Any) -> tuple[Any, Any]:
    """Sixteen codes without signs, and where there is none."""
    code = builder.sub(builder.and_(_words(builder, address, offset), _all(MAGNITUDE)), least)
    return code, builder.icmp_unsigned(">", code, _all(LARGEST))


def _reduced(builder: Any, vector: Any, how: str) -> Any:
    kind = ir.FunctionType(WORD, [WORDS])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{how}.v{LANES}i32")
    return builder.zext(builder.call(function, [vector]), INT)


@intrinsic
def multiply_codes(typing: Any, codes: Any, least: Any, x: Any, sums: Any, ahead: Any) -> Any:
    """A few sums, and the products of a block of codes for each with the numbers at ``x``.

    Meanwhile further codes are fetched, so many bytes ahead. Codes' addresses, least exponents and sums are tuples.
    """
    many = sums.count

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, leasts, x, sums, ahead = arguments
        codes, leasts, sums = (cgutils.unpack_tuple(builder, each, many) for each in (codes, leasts, sums))
        rows = [_numbers(builder, at, _least(builder, least)) for at, least in zip(codes, leasts, strict=True)]
        for i in range(VECTORS):
            factor = emit.load(builder, x, i * NBYTES)
            for r, numbers in enumerate(rows):
                if i < VECTORS - 1:
                    emit.prefetch(builder, builder.add(codes[r], ahead), i * NBYTES, level=1)
                sums[r] = emit.fused(builder, next(numbers), factor, sums[r])
        return context.make_tuple(builder, signature.return_type, sums)

    places, vectors = types.UniTuple(types.int64, many), types.UniTuple(Vector, many)
    return vectors(places, places, types.int64, vectors, types.int64), made


@intrinsic
def decode(typing: Any, codes: Any, least: Any, target: Any) -> Any:
    """Put the numbers of a block of codes at an address, which may overlap the block's."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, least, target = arguments
        for i, numbers in enumerate(list(_numbers(builder, codes, _least(builder, least)))):
            emit.store(builder, numbers, target, i * NBYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), made


@intrinsic
def encode(typing: Any, numbers: Any, least: Any, target: Any) -> Any:
    """Put the codes of a block of numbers at an address, which may overlap the numbers'."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, exponent, target = arguments
        least = _least(builder, exponent)
        codes = []
        for i in range(VECTORS):
            code, odd = _code(builder, numbers, i * NBYTES, least)
            sign = builder.and_(_words(builder, numbers, i * NBYTES), _all(SIGN))
            codes.append(builder.select(odd, _all(0), builder.or_(code, sign)))
        last = builder.or_(builder.shl(codes[-1], _all(1)), builder.lshr(codes[-1], _all(31)))
        for i, code in enumerate(codes[:-1]):
            four = builder.and_(builder.lshr(last, _all(4 * (VECTORS - 2 - i))), _all(15))
            words = builder.or_(code, builder.shl(four, _all(SHARED)))
            emit.store(builder, builder.bitcast(words, emit.FLOATS), target, i * NBYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), made


@intrinsic
def misfits(typing: Any, numbers: Any, least: Any) -> Any:
    """How many numbers of a block have no code."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, exponent = arguments
        least = _least(builder, exponent)
        count = _all(0)
        for i in range(VECTORS):
            _, found = _code(builder, numbers, i * NBYTES, least)
            count = builder.add(count, builder.zext(found, WORDS))
        return _reduced(builder, count, "add")

    return types.int64(types.int64, types.int64), made


@intrinsic
def largest_exponent(typing: Any, numbers: Any) -> Any:
    """The largest exponent in a block of numbers, as their bits have it; of what is infinite or no number it is 0."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        largest = _all(0)
        for i in range(VECTORS):
            magnitude = builder.and_(_words(builder, arguments[0], i * NBYTES), _all(MAGNITUDE))
            finite = builder.icmp_unsigned("<", magnitude, _all(INFINITE))
            larger = builder.and_(finite, builder.icmp_unsigned(">", magnitude, largest))
            largest = builder.select(larger, magnitude, largest)
        return builder.lshr(_reduced(builder, largest, "umax"), INT(FRACTION_BITS))

    return types.int64(types.int64), made


@intrinsic
def has_code(typing: Any, address: Any, least: Any) -> Any:
    """Whether the number at an address has a code, where the least power of two has this exponent."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, exponent = arguments
        magnitude = builder.and_(builder.load(builder.inttoptr(address, WORD.as_pointer())), WORD(MAGNITUDE))
        code = builder.sub(magnitude, builder.shl(builder.trunc(exponent, WORD), WORD(FRACTION_BITS)))
        return builder.icmp_unsigned("<=", code, WORD(LARGEST))

    return types.boolean(types.int64, types.int64), made


@intrinsic
def stand_in(typing: Any, least: Any) -> Any:
    """The number that is read where one does not fit, in 64 bits."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.trunc(arguments[0], WORD), WORD(FRACTION_BITS))
        return builder.fpext(builder.bitcast(bits, ir.FloatType()), ir.DoubleType())

    return types.float64(types.int64), made


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
