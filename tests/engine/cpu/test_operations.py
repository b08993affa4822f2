"""Every operation oneDNN plans, against the reference engine, over sizes that have an odd corner each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caffe_sdk.engine.cpu.pooling import Workspace
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, compiled, left_to_reference, numbers, tensors

# -- convolution -------------------------------------------------------------------------------------------------------


def geometry(kernel, stride=1, pad=0, dilation=1, group=1, axis=1):
    spread = [each if isinstance(each, tuple) else (each,) * len(kernel) for each in (stride, pad, dilation)]
    return ConvolutionGeometry(kernel, *spread, group, axis)


CONVOLUTIONS = {
    "one channel": ((5, 1, 28, 28), 20, geometry((5, 5))),
    "channels that fill no block": ((2, 20, 12, 12), 50, geometry((5, 5))),
    "whole blocks": ((2, 32, 9, 9), 64, geometry((3, 3), pad=1)),
    "three channels, stride": ((1, 3, 35, 35), 16, geometry((11, 11), stride=4)),
    "oblong": ((2, 16, 7, 11), 32, geometry((3, 1), stride=(2, 1), pad=(0, 2))),
    "pointwise": ((2, 17, 5, 3), 33, geometry((1, 1))),
    "pointwise, stride": ((2, 16, 8, 8), 16, geometry((1, 1), stride=2)),
    "groups": ((2, 32, 9, 9), 64, geometry((5, 5), pad=2, group=2)),
    "odd groups": ((2, 12, 9, 9), 9, geometry((3, 3), group=3)),
    "a group per channel": ((2, 24, 9, 9), 24, geometry((3, 3), pad=1, group=24)),
    "dilation": ((2, 16, 15, 15), 16, geometry((3, 3), pad=2, dilation=2)),
    "dilation, groups, stride": ((2, 16, 15, 15), 32, geometry((3, 3), stride=2, pad=3, dilation=3, group=2)),
    "kernel as large as the image": ((2, 50, 4, 4), 500, geometry((4, 4))),
    "padding wider than the kernel": ((1, 3, 5, 5), 4, geometry((2, 2), pad=3)),
    "one place": ((1, 1, 1, 1), 1, geometry((1, 1))),
    "one axis": ((2, 16, 21), 32, geometry((3,), stride=2, pad=1)),
    "three axes": ((1, 16, 5, 6, 7), 16, geometry((3, 2, 3), pad=1)),
    "two batch axes": ((2, 3, 16, 9, 9), 16, geometry((3, 3), axis=2)),
    "no batch axis": ((16, 9, 9), 16, geometry((3, 3), axis=0)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_and_gradients(case, bias):
    x, out, g = CONVOLUTIONS[case]
    y = (*x[: g.axis], out, *g.output_size(x[g.axis + 1 :]))
    weight = (out, x[g.axis] // g.group, *g.kernel)
    shapes = {"x": x, "weight": weight, "y": y, "dx": x, "dy": y, "dweight": weight}
    if bias:
        shapes |= {"bias": (out,), "dbias": (out,)}

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t.get("bias"), t["y"], g)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t.get("dbias"), g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    assert left_to_reference(agree(shapes, calls)) == []


def test_four_spatial_axes_are_left_to_the_reference():
    shapes = {"x": (1, 2, 3, 3, 3, 3), "weight": (2, 2, 2, 2, 2, 2), "y": (1, 2, 2, 2, 2, 2)}
    g = geometry((2, 2, 2, 2))
    program = agree(shapes, lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g))
    assert left_to_reference(program) == ["convolution"]


def test_the_gradient_of_a_bias_alone():
    g = geometry((3, 3))
    shapes = {"x": (2, 16, 8, 8), "dy": (2, 16, 6, 6), "dbias": (16,)}
    program = agree(shapes, lambda e, t: e.convolution_grad_weight(t["x"], t["dy"], None, t["dbias"], g))
    assert left_to_reference(program) == ["convolution_grad_weight"]


# -- inner product -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 10, 7), (64, 800, 500), (5, 500, 10), (2, 1, 1), (3, 33, 65)])
def test_inner_product_and_gradients(m, k, n, transpose, bias):
    weight = (k, n) if transpose else (n, k)
    shapes = {"x": (m, k), "weight": weight, "y": (m, n), "dx": (m, k), "dy": (m, n), "dweight": weight}
    if bias:
        shapes |= {"bias": (n,), "dbias": (n,)}

    def calls(engine, t):
        engine.inner_product(t["x"], t["weight"], t.get("bias"), t["y"], transpose)
        engine.inner_product_grad_weight(t["x"], t["dy"], t["dweight"], t.get("dbias"), transpose)
        engine.inner_product_grad_data(t["dy"], t["weight"], t["dx"], transpose)

    agree(shapes, calls)


def test_inner_product_of_what_a_convolution_left_in_blocks():
    g = geometry((3, 3))
    shapes = {
        "x": (4, 16, 6, 6),
        "weight": (32, 16, 3, 3),
        "y": (4, 32, 4, 4),
        "weight2": (10, 512),
        "z": (4, 10),
        "dz": (4, 10),
        "dy": (4, 32, 4, 4),
        "dx": (4, 16, 6, 6),
    }

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.inner_product(t["y"].reshaped(4, 512), t["weight2"], None, t["z"], False)
        engine.inner_product_grad_data(t["dz"], t["weight2"], t["dy"].reshaped(4, 512), False)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    assert left_to_reference(agree(shapes, calls)) == []


# -- pooling -----------------------------------------------------------------------------------------------------------

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

    agree(shapes, calls)


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


# -- number by number --------------------------------------------------------------------------------------------------

EVERY_SHAPE = [(), (7,), (3, 5), (2, 16, 5, 5), (1, 1, 1, 1), (2, 3, 2, 2, 2, 2, 2)]


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])
@pytest.mark.parametrize("shape", EVERY_SHAPE)
def test_relu_and_gradient(shape, slope):
    def calls(engine, t):
        engine.relu(t["x"], t["y"], slope)
        engine.relu_grad(t["x"], t["dy"], t["dx"], slope)

    assert left_to_reference(agree(dict.fromkeys(("x", "y", "dx", "dy"), shape), calls)) == []


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_relu_in_place(slope):
    def calls(engine, t):
        engine.relu(t["x"], t["x"], slope)
        engine.relu_grad(t["x"], t["dy"], t["dy"], slope)

    agree({"x": (2, 16, 5, 5), "dy": (2, 16, 5, 5)}, calls)


@pytest.mark.parametrize("in_place", [True, False])
def test_gradient_of_dropout(in_place):
    def calls(engine, t):
        engine.dropout_grad(t["dy"], t["factors"], t["dy" if in_place else "dx"])

    assert left_to_reference(agree(dict.fromkeys(("dy", "factors", "dx"), (4, 50)), calls)) == []


@pytest.mark.parametrize("terms", [1, 2, 3, 9])
@pytest.mark.parametrize("target", ["y", "x0", "last"])
def test_sum(terms, target):
    names = [f"x{i}" for i in range(terms)]
    target = names[-1] if target == "last" else target

    def calls(engine, t):
        engine.add_all([t[name] for name in names], t[target])

    assert left_to_reference(agree(dict.fromkeys([*names, "y"], (2, 16, 5, 5)), calls)) == []


def test_sum_of_one_tensor_twice_into_itself():
    agree({"x": (3, 4)}, lambda e, t: e.add_all([t["x"], t["x"]], t["x"]))


def test_copy_to_another_shape_and_to_itself():
    def calls(engine, t):
        engine.copy(t["x"], t["y"])
        engine.copy(t["y"], t["y"].reshaped(10, 6))

    agree({"x": (3, 4, 5), "y": (60,)}, calls)


def test_number_by_number_in_blocks():
    """What a convolution leaves in its layout is rectified, copied and summed there."""
    g = geometry((3, 3), pad=1)
    shape = (2, 20, 6, 6)
    shapes = {"weight": (20, 20, 3, 3), **dict.fromkeys(["x", "y", "z", "copy", "sum"], shape)}

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["z"], 0.0)
        engine.copy(t["z"].reshaped(2, 720), t["copy"].reshaped(2, 720))
        engine.add_all([t["y"], t["copy"], t["x"]], t["sum"])

    program = agree(shapes, calls)
    assert left_to_reference(program) == []
    assert sum(name.startswith("reorder jit:blk") for name in program.names()) == 0


# -- softmax -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 10), 1), ((1, 1000), 1), ((2, 20, 5, 5), 1), ((2, 3, 4), 2), ((2, 3, 4), 0), ((6,), 0)]
)
def test_softmax_and_gradient(shape, axis):
    def calls(engine, t):
        engine.softmax(t["x"], t["y"], axis)
        engine.softmax_grad(t["y"], t["dy"], t["dx"], axis)

    agree(dict.fromkeys(("x", "y", "dx", "dy"), shape), calls)


def test_softmax_in_place_of_large_numbers():
    t = tensors({"x": (3, 10)})
    t["x"].memory.update(HOST)[...] *= 1000
    compiled(lambda e, t: e.softmax(t["x"], t["x"], 1), t).run()
    np.testing.assert_allclose(numbers(t["x"]).sum(axis=1), 1, rtol=1e-5)


# -- what is left to the reference -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [0, 1])
def test_empty_batches(batch):
    g, pool = geometry((3, 3)), PoolingGeometry((2, 2), (2, 2), (0, 0))
    shapes = {
        "x": (batch, 16, 8, 8),
        "weight": (16, 16, 3, 3),
        "y": (batch, 16, 6, 6),
        "dx": (batch, 16, 8, 8),
        "pooled": (batch, 16, 3, 3),
        "mask": (batch, 16, 3, 3),
        "dy": (batch, 16, 6, 6),
        "dweight": (16, 16, 3, 3),
        "out": (batch, 5),
        "weight2": (5, 144),
        "dout": (batch, 5),
        "dpooled": (batch, 16, 3, 3),
        "dweight2": (5, 144),
        "dbias2": (5,),
    }

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], 0.0)
        engine.max_pool(t["y"], t["pooled"], t["mask"], pool)
        engine.inner_product(t["pooled"].reshaped(batch, 144), t["weight2"], None, t["out"], False)
        matrix, gradient = t["pooled"].reshaped(batch, 144), t["dpooled"].reshaped(batch, 144)
        engine.inner_product_grad_weight(matrix, t["dout"], t["dweight2"], t["dbias2"], False)
        engine.inner_product_grad_data(t["dout"], t["weight2"], gradient, False)
        engine.max_pool_grad(t["dpooled"], t["mask"], t["dy"], pool)
        engine.relu_grad(t["y"], t["dy"], t["dy"], 0.0)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], None, g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    agree(shapes, calls)


def test_a_tensor_that_is_part_of_a_memory():
    t = tensors({"x": (10,), "y": (10,)})
    before = numbers(t["y"]).copy()
    x, y = t["x"].reshaped(6), t["y"].reshaped(6)
    program = compiled(lambda e, t: e.relu(x, y, 0.0), t)
    program.run()
    assert left_to_reference(program) == ["relu"]
    np.testing.assert_array_equal(numbers(t["y"])[6:], before[6:])


def test_geometries_are_told_apart():
    """Two poolings of equal shapes and other strides do not take each other's mask."""
    shapes, g = pooling_shapes("stride beyond the kernel")
    other = replace(g, kernel=(3, 3), stride=(2, 2))
    assert other.output_size((7, 7)) == g.output_size((7, 7))
    t = tensors(shapes)
    compiled(lambda e, t: e.max_pool(t["x"], t["y"], t["mask"], g), t).run()
    program = compiled(lambda e, t: e.max_pool_grad(t["dy"], t["mask"], t["dx"], other), t)
    assert left_to_reference(program) == ["max_pool_grad"]
