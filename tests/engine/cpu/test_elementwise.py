"""What is done number by number against the reference, in place and in blocks."""

from __future__ import annotations

import pytest

from tests.engine.cpu.twins import agree, geometry, left_to_reference

SHAPE = (2, 20, 6, 6)
SAME = geometry((3, 3), pad=1)


def in_blocks(calls):
    """Calls on tensors of SHAPE of which a, b and c are in the layout convolutions leave them in, 20 channels in 32."""

    def all_calls(engine, t):
        for name in ("a", "b", "c"):
            engine.convolution(t["x"], t[f"weight_{name}"], None, t[name], SAME)
        calls(engine, t)

    tensors = dict.fromkeys(["x", "a", "b", "c", "y", "z"], SHAPE)
    weights = {f"weight_{name}": (20, 20, 3, 3) for name in ("a", "b", "c")}
    program = agree({**tensors, **weights, "mask": SHAPE}, all_calls)
    assert left_to_reference(program) == []
    return [name for name in program.names() if "reorder" in name]


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


@pytest.mark.parametrize("names", ["ab", "abc", "aab"])
def test_sum_product_and_maximum_in_blocks(names):
    def calls(engine, t):
        xs = [t[name] for name in names]
        engine.weighted_sum(xs, t["y"], [0.5, -2.0, 3.0][: len(xs)])
        engine.product(xs, t["z"])

    def largest(engine, t):
        xs = [t[name] for name in names]
        engine.maximum(xs, t["y"], t["mask"])
        engine.maximum_grad(t["mask"], t["c"], t["z"], 0)
        engine.maximum_grad(t["mask"], t["c"], t["z"], 1)

    assert in_blocks(calls) == in_blocks(largest) == []


def test_the_second_of_equal_numbers_is_the_maximum_then_the_first():
    def calls(engine, t):
        engine.copy(t["a"], t["b"])
        engine.copy(t["a"], t["c"])
        engine.maximum([t["a"], t["b"], t["c"]], t["y"], t["mask"])

    agree({**dict.fromkeys("abcy", (2, 3)), "mask": (2, 3)}, calls)


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_gradient_of_product(stable, index):
    def calls(engine, t):
        xs = [t["a"], t["b"], t["c"]]
        engine.product(xs, t["y"])
        engine.product_grad(xs, t["y"], t["dy"], t["dx"], index, stable)

    program = agree(dict.fromkeys(["a", "b", "c", "y", "dy", "dx"], (2, 3, 4)), calls)
    assert left_to_reference(program) == ([] if stable else ["product_grad"])


def test_products_of_one_and_into_their_own():
    agree(dict.fromkeys("ay", (5,)), lambda e, t: e.product([t["a"]], t["y"]))
    agree(dict.fromkeys("ab", (5,)), lambda e, t: e.product([t["b"], t["a"]], t["a"]))
    agree(dict.fromkeys("a", (5,)), lambda e, t: e.product([t["a"], t["a"]], t["a"]))
    agree(dict.fromkeys("ab", (5,)), lambda e, t: e.product_grad([t["a"], t["b"]], t["a"], t["a"], t["b"], 0, True))


@pytest.mark.parametrize("target", ["first", "second", "both"])
def test_maximum_into_its_own(target):
    xs = {"first": ("y", "a"), "second": ("a", "y"), "both": ("y", "y")}[target]
    shapes = {**dict.fromkeys("ay", (5,)), "mask": (5,)}
    agree(shapes, lambda e, t: e.maximum([t[x] for x in xs], t["y"], t["mask"]))


def test_add_to_and_fill_in_blocks():
    def calls(engine, t):
        engine.accumulate(t["a"], t["y"])
        engine.accumulate(t["y"], t["b"])
        engine.fill(t["a"], 0.0)
        engine.fill(t["c"], 3.0)
        engine.convolution(t["c"], t["weight_a"], None, t["z"], SAME)

    in_blocks(calls)
