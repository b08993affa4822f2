"""Joining and cutting against the reference, along every axis, plain and in blocks."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu.twins import agree, geometry, left_to_reference


@pytest.fixture(params=[1, 2])
def threads(request):
    """With one thread, and with two."""
    set_num_threads(request.param)
    return request.param


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_concatenate_and_crop(axis):
    parts = [3, 1, 4]
    shape = (2, 3, 4, 5)
    shapes = {f"x{i}": (*shape[:axis], n, *shape[axis + 1 :]) for i, n in enumerate(parts)}
    whole = (*shape[:axis], sum(parts), *shape[axis + 1 :])

    def calls(engine, t):
        engine.concatenate([t[name] for name in shapes], t["y"], axis)
        for i in range(3):
            engine.crop(t["y"], t[f"d{i}"], tuple(sum(parts[:i]) if a == axis else 0 for a in range(4)))

    gradients = {f"d{i}": shapes[f"x{i}"] for i in range(3)}
    assert left_to_reference(agree({**shapes, **gradients, "y": whole}, calls)) == []


@pytest.mark.parametrize("channels", [(16, 32, 16), (32, 5, 48), (20, 20, 20), (16, 16, 3)])
def test_branches_of_convolutions(channels):
    """As an Inception module has them: convolved, joined, convolved; and the gradients' way back."""
    total, g = sum(channels), geometry((3, 3), pad=1)
    shapes = {"data": (2, 16, 6, 6), "joined": (2, total, 6, 6), "top": (2, 32, 6, 6), "last": (32, total, 3, 3)}
    for i, c in enumerate(channels):
        shapes |= {f"x{i}": (2, c, 6, 6), f"w{i}": (c, 16, 3, 3), f"d{i}": (2, c, 6, 6), f"dw{i}": (c, 16, 3, 3)}
    shapes |= {"dtop": (2, 32, 6, 6), "djoined": (2, total, 6, 6)}

    def calls(engine, t):
        for i in range(3):
            engine.convolution(t["data"], t[f"w{i}"], None, t[f"x{i}"], g)
            engine.relu(t[f"x{i}"], t[f"x{i}"], 0.0)
        engine.concatenate([t[f"x{i}"] for i in range(3)], t["joined"], 1)
        engine.convolution(t["joined"], t["last"], None, t["top"], g)
        engine.convolution_grad_data(t["dtop"], t["last"], t["djoined"], g)
        for i in range(3):
            engine.crop(t["djoined"], t[f"d{i}"], (0, sum(channels[:i]), 0, 0))
            engine.relu_grad(t[f"x{i}"], t[f"d{i}"], t[f"d{i}"], 0.0)
            engine.convolution_grad_weight(t["data"], t[f"d{i}"], t[f"dw{i}"], None, g)

    assert left_to_reference(agree(shapes, calls, runs=1)) == []


@pytest.mark.parametrize("kept", [("top",), ("top", "joined"), ("top", "x1"), ("top", "again")])
@pytest.mark.parametrize("channels", [(16, 32, 16), (32, 5, 48)])
def test_branches_of_a_single_image_are_made_where_they_are_joined(channels, kept):
    """Unless somebody wants them apart, or they cut through blocks."""
    total, g = sum(channels), geometry((3, 3), pad=1)
    shapes = {"data": (1, 16, 6, 6), "joined": (1, total, 6, 6), "top": (1, 32, 6, 6), "last": (32, total, 3, 3)}
    shapes |= {"again": (1, channels[0], 6, 6)}
    for i, c in enumerate(channels):
        shapes |= {f"x{i}": (1, c, 6, 6), f"w{i}": (c, 16, 3, 3)}

    def calls(engine, t):
        for i in range(3):
            engine.convolution(t["data"], t[f"w{i}"], None, t[f"x{i}"], g)
            engine.relu(t[f"x{i}"], t[f"x{i}"], 0.0)
        engine.concatenate([t[f"x{i}"] for i in range(3)], t["joined"], 1)
        engine.relu(t["joined"], t["joined"], -1.0)
        engine.convolution(t["joined"], t["last"], None, t["top"], g)
        if "again" in kept:
            engine.relu(t["x0"], t["again"], 0.0)

    inputs = [name for name in shapes if name[0] in "dwl"]
    program = agree(shapes, calls, keep=[*inputs, *kept])
    copied = any("concat" in name for name in program.names())
    assert copied == (channels[1] == 5 or "x1" in kept or "again" in kept)


@pytest.mark.parametrize("kept", [("top",), ("top", "joined"), ("top", "x1"), ("top", "again")])
@pytest.mark.parametrize("kernels", [(1, 3, 5), (3, 3, 1)])
@pytest.mark.parametrize("norm", [False, True])
def test_branches_of_several_images_are_made_where_they_are_joined(kernels, kept, norm, threads):
    """But for a branch that somebody wants, and for one that is no convolution: those are copied."""
    number, channels = 3, (16, 48, 32)
    shapes = {"data": (number, 32, 23, 23), "joined": (number, 128, 23, 23), "pooled": (number, 32, 23, 23)}
    shapes |= {"last": (16, 128, 1, 1), "top": (number, 16, 23, 23), "again": (number, 16, 23, 23)}
    for i, (c, k) in enumerate(zip(channels, kernels, strict=True)):
        shapes |= {f"x{i}": (number, c, 23, 23), f"w{i}": (c, 32, k, k), f"b{i}": (c,), f"s{i}": (c,)}
    window = PoolingGeometry((3, 3), (1, 1), (1, 1))

    def calls(engine, t):
        for i, k in enumerate(kernels):
            x = t[f"x{i}"]
            engine.convolution(t["data"], t[f"w{i}"], t[f"b{i}"], x, geometry((k, k), pad=k // 2))
            if norm:
                engine.affine(x, t[f"s{i}"], t[f"b{i}"], x, 1)
            engine.relu(x, x, 0.0)
        engine.max_pool(t["data"], t["pooled"], None, window)
        engine.concatenate([*(t[f"x{i}"] for i in range(3)), t["pooled"]], t["joined"], 1)
        engine.convolution(t["joined"], t["last"], None, t["top"], geometry((1, 1)))
        if "again" in kept:
            engine.relu(t["x0"], t["again"], 0.0)

    inputs = [name for name in shapes if name[0] in "dwbs" or name == "last"]
    names = agree(shapes, calls, keep=[*inputs, *kept]).names()
    assert not any("concat" in name for name in names)
    elsewhere = 1 + ("x1" in kept or "again" in kept)
    assert sum(name.startswith("reorder simple") for name in names) == elsewhere


def test_a_part_out_of_the_middle():
    def calls(engine, t):
        engine.crop(t["x"], t["y"], (1, 3, 2, 1))

    assert left_to_reference(agree({"x": (3, 40, 7, 6), "y": (1, 16, 4, 4)}, calls)) == []


def test_one_part_and_the_same_twice():
    def calls(engine, t):
        engine.concatenate([t["x"]], t["y"], 1)
        engine.concatenate([t["x"], t["x"]], t["z"], 1)

    agree({"x": (2, 5, 3), "y": (2, 5, 3), "z": (2, 10, 3)}, calls)


def test_what_is_overwritten_is_left_to_the_reference():
    def calls(engine, t):
        engine.concatenate([t["x"]], t["x"], 0)
        engine.crop(t["x"], t["x"], (0, 0))

    assert left_to_reference(agree({"x": (2, 5)}, calls)) == ["concatenate", "crop"]
