"""Poolings and their gradients against the reference, and the mask in oneDNN's form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caffe_sdk.engine.cpu.pooling import Workspace
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, compiled, geometry, left_to_reference, numbers, tensors

POOLINGS = {
    "exact": ((2, 16, 8, 8), PoolingGeometry((2, 2), (2, 2), (0, 0))),
    "last windows cut short": ((2, 20, 8, 7), PoolingGeometry((3, 3), (2, 2), (0, 0))),
    "rounded down": ((2, 20, 8, 7), PoolingGeometry((3, 3), (2, 2), (0, 0), ceil=False)),
    "overlap, padding": ((2, 16, 9, 9), PoolingGeometry((3, 3), (1, 1), (1, 1))),
    "padding, cut short": ((1, 5, 8, 8), PoolingGeometry((3, 3), (2, 2), (1, 1))),
    "padding, one window dropped": ((1, 5, 6, 6), PoolingGeometry((2, 2), (2, 2), (1, 1))),
    "padding, rounded down": ((1, 5, 8, 8), PoolingGeometry((3, 3), (2, 2), (1, 1), ceil=False)),
    "oblong": ((2, 3, 9, 13), PoolingGeometry((3, 2), (2, 3), (1, 0))),
    "global": ((5, 32, 7, 7), PoolingGeometry((7, 7), (1, 1), (0, 0))),
    "large window": ((1, 16, 20, 20), PoolingGeometry((18, 18), (2, 2), (3, 3))),
    "one channel": ((1, 1, 5, 5), PoolingGeometry((2, 2), (1, 1), (0, 0))),
    "stride beyond the kernel": ((2, 3, 7, 7), PoolingGeometry((2, 2), (3, 3), (0, 0))),
    "a window that misses the image": ((2, 3, 5, 5), PoolingGeometry((1, 1), (3, 3), (0, 0))),
}


def pooling_shapes(case):
    x, g = POOLINGS[case]
    y = (*x[:2], *g.output_size(x[2:]))
    return {"x": x, "y": y, "dx": x, "dy": y, "mask": y}, g


@pytest.mark.parametrize("case", POOLINGS)
def test_max_pool_and_gradient(case):
    shapes, g = pooling_shapes(case)

    def calls(engine, t):
        engine.max_pool(t["x"], t["y"], t["mask"], g)
        engine.max_pool_grad(t["dy"], t["mask"], t["dx"], g)

    program = agree(shapes, calls)  # compares the masks too
    assert left_to_reference(program) == (["max_pool", "max_pool_grad"] if "misses" in case else [])


@pytest.mark.parametrize("case", POOLINGS)
def test_max_pool_without_mask(case):
    shapes, g = pooling_shapes(case)
    agree({"x": shapes["x"], "y": shapes["y"]}, lambda e, t: e.max_pool(t["x"], t["y"], None, g))


@pytest.mark.parametrize("case", POOLINGS)
def test_average_pool_and_gradient(case):
    shapes, g = pooling_shapes(case)

    def calls(engine, t):
        engine.average_pool(t["x"], t["y"], g)
        engine.average_pool_grad(t["dy"], t["dx"], g)

    program = agree(shapes, calls)
    assert left_to_reference(program) == (["average_pool", "average_pool_grad"] if "misses" in case else [])


@pytest.mark.parametrize("case", ["padding, cut short", "large window", "cut short down", "cut short across"])
def test_averages_cut_short_stay_in_blocks(case):
    oblong = {"cut short down": (1, 8, 8, 9), "cut short across": (2, 8, 9, 8)}
    shapes, g = pooling_shapes("padding, cut short" if case in oblong else case)
    n, _, *size = oblong.get(case, shapes["x"])
    out = g.output_size(size)
    shapes = {"data": (n, 32, *size), "w": (32, 32, 1, 1), "x": (n, 32, *size), "y": (n, 32, *out)}
    shapes |= {"dy": (n, 32, *out), "dx": (n, 32, *size), "dw": (32, 32, 1, 1)}

    def calls(engine, t):
        engine.convolution(t["data"], t["w"], None, t["x"], geometry((1, 1)))
        engine.average_pool(t["x"], t["y"], g)
        engine.relu(t["dy"], t["y"], 1.0)
        engine.average_pool_grad(t["y"], t["dx"], g)
        engine.convolution_grad_weight(t["data"], t["dx"], t["dw"], None, geometry((1, 1)))

    assert left_to_reference(agree(shapes, calls, runs=1)) == []


def test_the_first_of_equal_numbers_is_the_maximum():
    g = PoolingGeometry((3, 3), (2, 2), (1, 1))
    t = tensors({"x": (1, 16, 8, 8), "y": (1, 16, 5, 5), "mask": (1, 16, 5, 5)})
    t["x"].memory.write(HOST)[...] = 1
    compiled(lambda e, t: e.max_pool(t["x"], t["y"], t["mask"], g), t).run()
    assert numbers(t["mask"])[0, 0].tolist()[0] == [0, 1, 3, 5, 7]


def test_a_mask_the_host_made_goes_into_the_workspace():
    shapes, g = pooling_shapes("padding, cut short")
    t = tensors(shapes)
    program = compiled(lambda e, t: e.max_pool(t["x"], t["y"], t["mask"], g), t)
    program.run()
    (place,) = t["mask"].memory.fresh
    assert isinstance(place, Workspace)
    expected = t["mask"].memory.read(place).copy()
    t["mask"].memory.update(HOST)
    t["mask"].memory.read(place)[...] = 77
    t["mask"].memory.update(HOST)
    np.testing.assert_array_equal(t["mask"].memory.read(place), expected)


def test_cleared_mask_names_the_first_place():
    shapes, g = pooling_shapes("padding, cut short")
    t = tensors(shapes)
    compiled(lambda e, t: e.max_pool(t["x"], t["y"], t["mask"], g), t).run()
    (place,) = t["mask"].memory.fresh
    t["mask"].memory.clear()
    t["mask"].memory.update(place)
    first = numbers(t["mask"])[0, 0]
    assert first[0, 0] == 0
    assert (first.ravel()[1:] <= 0).all(), "0 where the window sees the first place, else none"


def test_geometries_are_told_apart():
    """Two poolings of equal shapes and other strides do not take each other's mask."""
    shapes, g = pooling_shapes("stride beyond the kernel")
    other = replace(g, kernel=(3, 3), stride=(2, 2))
    assert other.output_size((7, 7)) == g.output_size((7, 7))
    t = tensors(shapes)
    compiled(lambda e, t: e.max_pool(t["x"], t["y"], t["mask"], g), t).run()
    program = compiled(lambda e, t: e.max_pool_grad(t["dy"], t["mask"], t["dx"], other), t)
    assert left_to_reference(program) == ["max_pool_grad"]
