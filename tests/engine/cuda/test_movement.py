"""Joined, cut and repeated along every axis."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import ShapeError
from tests.engine.cuda.twins import agree, simulated, tensors


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_joined(axis):
    parts = {f"x{i}": tuple(i if a == axis else n for a, n in enumerate((2, 3, 4))) for i in (1, 3, 0, 2)}
    whole = tuple(6 if a == axis else n for a, n in enumerate((2, 3, 4)))
    agree({**parts, "y": whole}, lambda e, t: e.concatenate([t[name] for name in parts], t["y"], axis))


def test_cut_and_put_back():
    def calls(engine, t):
        engine.crop(t["x"], t["y"], (1, 0, 2, 1))
        engine.crop_grad(t["y"], t["dx"], (1, 0, 2, 1))

    agree({"x": (3, 4, 5, 6), "y": (2, 4, 2, 5), "dx": (3, 4, 5, 6)}, calls)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_repeated(axis):
    shape = tuple(n * 3 if a == axis else n for a, n in enumerate((2, 3, 4)))

    def calls(engine, t):
        engine.tile(t["x"], t["y"], axis, 3)
        engine.tile_grad(t["y"], t["dx"], axis, 3)

    agree({"x": (2, 3, 4), "y": shape, "dx": (2, 3, 4)}, calls)


def test_too_many_axes():
    t = tensors({"x": (1,) * 9, "y": (1,) * 9})
    with pytest.raises(ShapeError, match="9 axes are more than the GPU engine's 8; use fewer axes"):
        simulated().crop(t["x"], t["y"], (0,) * 9)
