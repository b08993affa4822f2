"""Batch normalization, scaling and shifting against the reference, alone and fused, and what is left for gradients."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, close, compiled, geometry, left_to_reference, tensors

SAME = geometry((3, 3), pad=1)
SHAPES = [(6, 20), (4, 20, 7), (2, 20, 6, 6), (2, 3, 5, 5), (2, 16, 3, 4, 5), (8, 1, 5, 5)]
STATISTICS = ("mean", "variance", "weight")


def shapes_of(shape):
    channels = (shape[1],)
    return {
        **dict.fromkeys(["x", "y", "normalized", "dy", "dx", "before", "out"], shape),
        **dict.fromkeys(["deviation", "mean", "variance", "scale", "shift", "dscale", "dshift"], channels),
        "weight": (1,),
        "filter": (shape[1], shape[1], 3, 3),
    }


def made(shape, seed=1):
    """Tensors with variances and weights that are positive."""
    t = tensors(shapes_of(shape), seed)
    for name in ("variance", "weight"):
        t[name].memory.update(HOST)[...] = np.abs(t[name].memory.read(HOST)) + 0.1
    return t


def same(calls, shape, runs=2):
    """Run calls by the reference and compiled, compare every tensor; the program."""
    expected, actual = made(shape), made(shape)
    program = compiled(calls, actual)
    for _ in range(runs):
        calls(ReferenceEngine(), expected)
        program.run()
    for name in actual:
        close(actual[name], expected[name], name)
    return program


def normalize(engine, t, x="x", y="y"):
    kept = (t[name] for name in ("normalized", "deviation", *STATISTICS))
    engine.batch_norm(t[x], t[y], *kept, 1e-3, 0.9)


def normalize_back(engine, t, dy="dy", dx="dx"):
    engine.batch_norm_grad(t["normalized"], t["deviation"], t[dy], t[dx])


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_and_gradient(shape):
    def calls(engine, t):
        normalize(engine, t)
        normalize_back(engine, t)

    assert left_to_reference(same(calls, shape)) == []


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics_and_gradient(shape, in_place):
    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["x" if in_place else "y"], t["deviation"], *(t[s] for s in STATISTICS), 1e-3)
        engine.batch_norm_global_grad(t["deviation"], t["dy"], t["dy" if in_place else "dx"])

    assert left_to_reference(same(calls, shape)) == []


def test_no_running_statistics_yet():
    t, expected = made((2, 3, 5, 5)), made((2, 3, 5, 5))

    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["y"], t["deviation"], *(t[s] for s in STATISTICS), 1e-3)

    for each in (t, expected):
        each["weight"].memory.clear()
    compiled(calls, t).run()
    calls(ReferenceEngine(), expected)
    close(t["y"], expected["y"])


AFFINE = {
    "by channel": ((2, 20, 6, 6), (20,), 1),
    "of a matrix": ((5, 7), (7,), 1),
    "by two axes": ((2, 3, 4, 5), (3, 4), 1),
    "by image": ((2, 3, 4, 5), (2,), 0),
    "by the last axis": ((2, 3, 4, 5), (5,), 3),
    "each number": ((2, 3, 4), (2, 3, 4), 0),
    "one for all": ((2, 3, 4), (), 0),
    "of a vector": ((7,), (7,), 0),
}


@pytest.mark.parametrize("case", AFFINE)
@pytest.mark.parametrize("parts", ["scale shift", "scale", "shift"])
def test_affine_and_gradients(case, parts):
    shape, coefficients, axis = AFFINE[case]

    def calls(engine, t):
        scale, shift = (t[part] if part in parts else None for part in ("scale", "shift"))
        engine.affine(t["x"], scale, shift, t["y"], axis)
        if shift is not None:
            engine.affine_grad_shift(t["dy"], t["dshift"], axis)
        if scale is not None:
            engine.affine_grad_scale(t["x"], t["dy"], t["dscale"], axis)
            engine.affine_grad_data(t["dy"], scale, t["dx"], axis)

    shapes = dict.fromkeys(["x", "y", "dy", "dx"], shape)
    coefficient_shapes = dict.fromkeys(["scale", "shift", "dscale", "dshift"], coefficients)
    assert left_to_reference(agree({**shapes, **coefficient_shapes}, calls)) == []
