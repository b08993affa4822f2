"""Channels last: what is brought there and back, what operations make of it, and nets that stay so."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.layout import TILE, Last, last, lying, moved, tile
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.place import LastPlace
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import HOST, SyncedMemory
from tests.engine.cuda.twins import agree, get, simulated, tensors, usual

DIGITS = {FLOAT16: 2**-11, BFLOAT16: 2**-8}
each_half = pytest.mark.parametrize("real", DIGITS, ids=lambda real: real.name)
SHAPES = [(2, 3, 5), (1, 70, 2, 2), (3, 33, 65), (2, 2, 2100), (1, 1030, 2), (2, 32, 4, 8), (1, 340, 3)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def test_how_shapes_lie():
    assert last((2, 3, 4, 5)) == Last(3, 20)
    assert [last(shape) for shape in [(), (2,), (2, 3), (2, 1, 4), (2, 3, 1, 1), (0, 3, 4)]] == [None] * 6
    assert lying((2, 3, 4, 5), True) == (2, 4, 5, 3)
    assert lying((2, 3), True) == lying((2, 3), False) == (2, 3)
    assert Last(3, 4).divides(24)
    assert not Last(3, 4).divides(30)


@pytest.mark.parametrize("rows", [1, 2, 3, 9, 31, 64, 1000, 5000])
@pytest.mark.parametrize("columns", [1, 2, 5, 32, 49, 3136])
def test_a_tile_has_room(rows, columns):
    high, wide = tile(rows, columns)
    assert 0 < high <= rows
    assert 0 < wide <= columns
    assert high * wide <= TILE
    assert high * (wide | 1) <= 1536  # as in conversion.cu
    assert min(high, rows // 2, 32) >= min(rows // 2, 32)


def moving(values: np.ndarray, order: Last) -> np.ndarray:
    """Numbers in the order in which they lie channels last."""
    return values.reshape(-1, order.channels, order.places).swapaxes(1, 2).reshape(-1)


@each_half
@each_shape
def test_there_and_back(shape, real, rng):
    engine, order = usual(real), last(shape)
    place, memory = engine.places.values.lying(order), SyncedMemory(int(np.prod(shape)))
    values = rng.integers(-100, 100, memory.count).astype(np.float32)
    memory.write(HOST)[...] = values
    buffer, bits = memory.update(place), np.empty(memory.count, np.uint16)
    engine.device.download(buffer.pointer, bits)
    found = bits.view(np.float16) if real == FLOAT16 else (bits.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(found, moving(values, order))
    for way in (HOST, engine.place, engine.places.values, engine.places.gradients.lying(order), place):
        memory.update(way)
    np.testing.assert_array_equal(memory.read(HOST), values)


def test_a_memory_in_two_shapes():
    """By way of Caffe's order, and the scales are kept."""
    engine, memory = simulated(Options(precision=FLOAT16)), SyncedMemory(24)
    memory.write(HOST)[...] = range(24)
    first, second = engine.places.values.lying(Last(3, 4)), engine.places.gradients.lying(Last(2, 6))
    assert len({first, second, engine.places.values.lying(Last(3, 4)), engine.places.values}) == 3
    memory.update(first)
    engine.now.scale = 8.0
    assert memory.update(second).scale == 8
    memory.update(first)
    assert memory.read(HOST).tolist() == list(range(24))
    memory.clear()
    memory.update(first)
    assert memory.read(HOST).tolist() == [0] * 24


@each_shape
def test_ints_and_floats_keep_every_bit(shape, rng):
    engine, order = usual(), last(shape)
    place = LastPlace(engine.place, order)
    for kind in (np.int32, np.float32):
        memory = SyncedMemory(int(np.prod(shape)), kind)
        bits = rng.integers(-(2**31), 2**31, memory.count).astype(np.int32)
        memory.write(HOST).view(np.int32)[...] = bits
        found = np.empty(memory.count, np.int32)
        engine.device.download(memory.update(place).pointer, found)
        np.testing.assert_array_equal(found, moving(bits, order))
        for way in (engine.place, place, HOST):
            memory.update(way)
        np.testing.assert_array_equal(memory.read(HOST).view(np.int32), bits)
    memory.clear()
    memory.update(place)
    assert not memory.read(HOST).any()
    assert len({place, LastPlace(engine.place, order), engine.place}) == 2


def test_what_is_added():
    device = simulated().device
    source, target = device.allocate(24), device.allocate(48)
    device.upload(np.arange(12, dtype=np.float16), source.pointer)
    device.upload(np.ones(12, np.float32), target.pointer)
    moved(device, "added", FLOAT16, 12, (source.pointer, target.pointer), (Last(2, 3), None), 0.5)
    moved(device, "added", FLOAT16, 0, (0, 0), (Last(2, 3), None), 0.5)
    found = np.empty(12, np.float32)
    device.download(target.pointer, found)
    wanted = 1 + np.arange(12).reshape(2, 3, 2).swapaxes(1, 2).reshape(-1) / 2
    np.testing.assert_array_equal(found, wanted)


# -- operations --------------------------------------------------------------------------------------------------------

SMALL = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))


def program(record):
    """Has an engine compute a convolution, which has its values channels last, and what comes behind, replayed."""

    def calls(engine, t):
        recorder = Recorder()
        recorder.convolution(t["x"], t["w"], None, t["y"], SMALL)
        record(recorder, t)
        compiled = engine.compile(recorder.calls)
        for _ in range(3):
            compiled.run()
        if isinstance(engine, CudaEngine):
            assert all(how.last for how in compiled.plan.hows)

    return calls


def several(c: int, h: int, w: int, n: int = 2, i: int = 3, **more):
    named = dict.fromkeys(("y", "z", "dz", "dy"), (n, c, h, w)) | {"x": (n, i, h, w), "w": (c, i, 1, 1)}
    return named | more


@each_half
@pytest.mark.parametrize("c", [5, 70])
@pytest.mark.parametrize("size", [(3, 4), (40, 11)])
def test_sums_over_channels(c, size, real):
    """By one block and by several, of more channels than a warp has threads."""
    shapes = several(c, *size, n=7, m=(c,), v=(c,), d=(c,), s=(c,), b=(c,), ds=(c,), db=(c,), a=(c,), one=(1,))

    def record(r, t):
        r.batch_norm(t["y"], t["z"], t["dz"], t["d"], t["m"], t["v"], t["one"], 1e-3, 0.9)
        r.affine(t["z"], t["s"], t["b"], t["dy"], 1)
        r.affine_grad_scale(t["z"], t["dy"], t["ds"], 1)
        r.affine_grad_shift(t["dy"], t["db"], 1)
        r.prelu_grad_slope(t["z"], t["dy"], t["a"])
        r.batch_norm_grad(t["dz"], t["d"], t["dy"], t["dy"])

    agree(shapes, program(record), 60 * DIGITS[real], engine=usual(real, True), given={"v": np.ones(c)})


@each_half
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("c", [2, 40])
def test_windows(c, padded, real):
    g = PoolingGeometry((3, 2), (2, 2), (1, 1) if padded else (0, 0))
    size = g.output_size((8, 7))
    shapes = several(c, 8, 7, p=(2, c, *size), q=(2, c, *size), dp=(2, c, *size), mask=(2, c, *size))

    def record(r, t):
        r.max_pool(t["y"], t["p"], t["mask"], g)
        r.max_pool_grad(t["p"], t["mask"], t["dy"], g)
        r.average_pool(t["y"], t["q"], g)
        r.average_pool_grad(t["q"], t["dz"], g)

    whole = {"x": np.random.default_rng(3).permutation(2 * 3 * 56) - 168, "w": np.eye(3)[np.arange(c) % 3]}
    agree(shapes, program(record), 8 * DIGITS[real], engine=usual(real, True), given=whole)  # nothing is rounded


@each_half
@pytest.mark.parametrize("within", [False, True])
def test_neighbours(within, real):
    def record(r, t):
        r.lrn(t["y"], t["z"], t["s"], 5, 0.1, 0.75, 2.0, within)
        r.lrn_grad(t["y"], t["z"], t["s"], t["dz"], t["dy"], 5, 0.1, 0.75, 2.0, within)

    agree(several(9, 5, 4, s=(2, 9, 5, 4)), program(record), 8 * DIGITS[real], engine=usual(real, True))


@each_half
@pytest.mark.parametrize("axis", range(4))
def test_what_is_joined_cut_and_repeated(axis, real):
    whole = [2, 5, 3, 4]
    whole[axis] *= 2
    shape, half = tuple(whole), (2, 5, 3, 4)
    offsets = tuple(half[axis] if i == axis else 0 for i in range(4))

    def record(r, t):
        r.concatenate([t["y"], t["dz"]], t["j"], axis)
        r.crop(t["j"], t["z"], offsets)
        r.crop_grad(t["z"], t["cg"], offsets)
        r.tile(t["z"], t["t"], axis, 2)
        r.tile_grad(t["t"], t["dy"], axis, 2)

    agree(several(5, 3, 4, j=shape, cg=shape, t=shape), program(record), 8 * DIGITS[real], engine=usual(real, True))


def test_masks_are_drawn_as_in_caffes_order():
    made = []
    for order in (False, True):
        engine = simulated(Options(precision=FLOAT16, channels_last=order))

        def record(r, t):
            r.dropout(t["y"], t["z"], t["k"], 0.5, np.random.default_rng(3))
            r.dropout_grad(t["dz"], t["k"], t["dy"])

        t, r = tensors(several(4, 3, 5, k=(2, 4, 3, 5))), Recorder()
        r.convolution(t["x"], t["w"], None, t["y"], SMALL)
        record(r, t)
        engine.compile(r.calls).run()
        made.append([get(t[name]).copy() for name in ("k", "z", "dy")])
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)
