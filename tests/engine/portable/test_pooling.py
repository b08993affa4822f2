"""Pooling by loops, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.portable import PortableEngine
from caffe_sdk.engine.portable.loops import pooling as loops
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors

SETTINGS = {
    "apart": PoolingGeometry((2, 2), (2, 2), (0, 0)),
    "overlapping": PoolingGeometry((3, 3), (2, 2), (0, 0)),
    "padded": PoolingGeometry((3, 2), (1, 2), (1, 1)),
    "rounded down": PoolingGeometry((3, 3), (2, 2), (1, 1), ceil=False),
    "with gaps": PoolingGeometry((1, 2), (3, 4), (0, 0)),
    "everything": PoolingGeometry((7, 9), (1, 1), (0, 0)),
    "larger than the image": PoolingGeometry((30, 40), (50, 60), (29, 39)),
}
SIZE = (7, 9)


def shapes(geometry):
    x, y = (2, 3, *SIZE), (2, 3, *geometry.output_size(SIZE))
    return {"x": x, "y": y, "mask": y, "average": y, "dy": y, "dx": x, "daverage": x}


@pytest.mark.parametrize("setting", SETTINGS)
def test_pooling_and_gradients(setting):
    geometry = SETTINGS[setting]

    def calls(engine, t):
        engine.max_pool(t["x"], t["y"], None, geometry)
        engine.max_pool(t["x"], t["average"], t["mask"], geometry)
        engine.max_pool_grad(t["dy"], t["mask"], t["dx"], geometry)
        engine.average_pool(t["x"], t["average"], geometry)
        engine.average_pool_grad(t["dy"], t["daverage"], geometry)

    agree(shapes(geometry), calls)


@pytest.mark.parametrize("setting", SETTINGS)
def test_of_equals_the_first_is_taken(setting):
    geometry = SETTINGS[setting]

    def calls(engine, t):
        values = t["x"].memory.update(HOST)
        values[...] = np.round(values)
        engine.max_pool(t["x"], t["y"], t["mask"], geometry)

    agree(shapes(geometry), calls)


def test_windows_that_see_nothing():
    geometry = PoolingGeometry((1, 1), (4, 4), (0, 0))
    assert geometry.output_size((6, 6)) == (3, 3)

    def calls(engine, t):
        engine.max_pool(t["x"], t["y"], t["mask"], geometry)
        engine.max_pool_grad(t["dy"], t["mask"], t["dx"], geometry)

    small, large = (1, 1, 3, 3), (1, 1, 6, 6)
    agree({"x": large, "y": small, "mask": small, "dy": small, "dx": large}, calls)


def test_indices_outside_the_plane_are_left_out():
    dx = np.full((1, 4), 7, np.float32)
    loops.max_pool_grad(np.ones((1, 4), np.float32), np.array([[-1, 3, 4, 3]], np.int32), dx)
    assert dx.tolist() == [[0, 0, 0, 2]]


def test_what_is_no_number_stays_inside():
    t = tensors(shapes(SETTINGS["overlapping"]))
    t["x"].memory.update(HOST)[0] = np.nan
    PortableEngine().max_pool(t["x"], t["y"], t["mask"], SETTINGS["overlapping"])
    chosen = t["mask"].memory.read(HOST)
    assert (chosen >= 0).all()
    assert (chosen < np.prod(SIZE)).all()
