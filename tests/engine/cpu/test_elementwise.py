"""What is done number by number against the reference, in place and in blocks."""

from __future__ import annotations

import pytest

from tests.engine.cpu.twins import agree, geometry, left_to_reference

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
