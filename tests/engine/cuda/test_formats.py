"""Numbers of 16 bits: kernels round them as IEEE 754 does, on the simulated device and so on every GPU."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32, FORMATS, Format, named
from caffe_sdk.engine.cuda.sources import Arguments, kernels
from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from tests.engine.cuda.mocked import device as mocked
from tests.engine.cuda.twins import usual

HALVES = [FLOAT16, BFLOAT16]


def launch(name: str, real: Format, source: Array, target: Array) -> None:
    device, kernel, count = usual(real).device, kernels(real)[name], source.size
    given, made = device.allocate(source.nbytes), device.allocate(target.nbytes)
    device.upload(source, given.pointer)
    device.launch(kernel, 3, 32, Arguments(kernel, (count, given.pointer, made.pointer, 1.0)))
    device.download(made.pointer, target)


def widened(bits: Array, real: Format) -> Array:
    result = np.empty(bits.size, np.float32)
    launch("widened", real, bits, result)
    return result


def narrowed(numbers: Array, real: Format) -> Array:
    result = np.empty(numbers.size, np.uint16)
    launch("narrowed", real, numbers, result)
    return result


def as_numpy(bits: Array, real: Format) -> Array:
    if real == FLOAT16:
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("real", HALVES, ids=lambda real: real.name)
def test_every_number_there_is_is_read_and_written_again(real):
    bits = np.arange(2**16, dtype=np.uint16)
    numbers = widened(bits, real)
    np.testing.assert_array_equal(numbers, as_numpy(bits, real))
    there = ~np.isnan(numbers)
    np.testing.assert_array_equal(narrowed(numbers, real)[there], bits[there])
    assert np.isnan(widened(narrowed(numbers[~there], real), real)).all()


@pytest.mark.parametrize("real", HALVES, ids=lambda real: real.name)
def test_what_lies_between_goes_to_the_nearest_and_to_the_even_one(real):
    numbers = as_numpy(np.arange(2**15, dtype=np.uint16), real)
    finite = np.sort(numbers[np.isfinite(numbers)].astype(np.float64))
    middles = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    given = np.concatenate([middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(np.inf))])
    bits = np.arange(middles.size, dtype=np.uint16)  # of the number below each middle; the next one has one more
    expected = np.concatenate([bits + bits % 2, bits, bits + 1])
    exact = np.concatenate([(finite[1:] + finite[:-1]) / 2 == middles] * 3)
    for sign, bit in ((1, 0), (-1, 0x8000)):
        got = narrowed(np.float32(sign) * given, real)
        np.testing.assert_array_equal(got[exact], (expected + bit).astype(np.uint16)[exact])
    assert exact.mean() > 0.99
    beyond = np.array([65519, 65520, 3e38, 3.4e38], np.float32)
    expected = [65504, np.inf, np.inf, np.inf] if real == FLOAT16 else [65536, 65536, 226 * 2.0**120, np.inf]
    np.testing.assert_allclose(widened(narrowed(beyond, real), real), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: usual().device, mocked], ids=["usual", "mocked"])
@pytest.mark.parametrize("real", HALVES, ids=lambda real: real.name)
@pytest.mark.parametrize("to_float", [False, True])
@pytest.mark.parametrize("ways", [(False, False), (True, False), (False, True)])
def test_products(real, to_float, ways, make, rng):
    """Sums are those of float32: they come out as if rounded once."""
    it = make()
    a, b = (narrowed(rng.standard_normal(2 * m * n).astype(np.float32), real) for m, n in ((3, 40), (40, 5)))
    left, right = as_numpy(a, real).reshape(2, 3, 40), as_numpy(b, real).reshape(2, 40, 5)
    stored = FLOAT32 if to_float else real
    c = np.zeros(30, np.float32 if to_float else np.uint16)
    buffers = []
    for bits, way, shape in ((a, ways[0], (2, 3, 40)), (b, ways[1], (2, 40, 5)), (c, False, (30,))):
        whole = np.ascontiguousarray(bits.reshape(shape).swapaxes(1, 2) if way else bits).reshape(-1)
        buffers.append(it.allocate(whole.nbytes))
        it.upload(whole, buffers[-1].pointer)
    pointers = (buffer.pointer for buffer in buffers)
    it.multiply(Product(3, 5, 40, *pointers, *ways, 1.0, 2, 120, 200, 15, 0.5, real, stored))
    it.download(buffers[2].pointer, c)
    expected = 0.5 * (left @ right)
    got = c if to_float else as_numpy(c, real)
    digits = {FLOAT32: 1e-6, FLOAT16: 2**-11, BFLOAT16: 2**-8}[stored]
    np.testing.assert_allclose(got.reshape(2, 3, 5), expected, rtol=1.01 * digits, atol=1e-5)


def test_names():
    assert [named(name) for name in ("float32", "float16", "bfloat16")] == list(FORMATS.values())
    with pytest.raises(ArgumentError, match="there: 'half' is no precision; give one of float32, float16, bfloat16"):
        named("half", "there")
