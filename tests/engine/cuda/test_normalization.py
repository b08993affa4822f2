"""Normalization of larger shapes than the table of cases has, and of empty ones."""

from __future__ import annotations

import pytest

from tests.engine.cuda.twins import agree


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(("size", "beta"), [(1, 0.75), (5, 0.75), (5, 0.6), (99, 0.75)])
def test_neighbours(size, beta, within):
    def calls(engine, t):
        engine.lrn(t["x"], t["z"], None, size, 0.1, beta, 2.0, within)
        engine.lrn(t["x"], t["y"], t["s"], size, 0.1, beta, 2.0, within)
        engine.lrn_grad(t["x"], t["y"], t["s"], t["dy"], t["dx"], size, 0.1, beta, 2.0, within)

    agree(dict.fromkeys(("x", "y", "z", "s", "dy", "dx"), (2, 9, 5, 4)), calls)


@pytest.mark.parametrize("shape", [(9, 5, 11, 3), (3, 4, 50, 21), (2600, 2), (1, 3, 3000), (300, 4), (70,), (0, 3, 2)])
def test_batches(shape):
    channels = (shape[1] if len(shape) > 1 else 1,)

    def calls(engine, t):
        for y in ("y", "x"):
            engine.batch_norm(t["x"], t[y], t["n"], t["d"], t["m"], t["v"], t["w"], 1e-3, 0.9)
        engine.batch_norm_grad(t["n"], t["d"], t["dy"], t["dx"])
        engine.batch_norm_grad(t["n"], t["d"], t["dx"], t["dx"])

    names = dict.fromkeys(("x", "y", "n", "dy", "dx"), shape) | dict.fromkeys(("d", "m", "v"), channels)
    agree({**names, "w": (1,)}, calls, tolerance=5e-5)


@pytest.mark.parametrize("weight", [0, 2.5])
def test_running_sums(weight):
    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["x"], t["d"], t["m"], t["v"], t["w"], 1e-3)
        engine.batch_norm_global_grad(t["d"], t["x"], t["dx"])

    names = {"x": (3, 4, 5), "dx": (3, 4, 5), "d": (4,), "m": (4,), "v": (4,), "w": (1,)}
    agree(names, calls, given={"w": [weight], "v": [1, 2, 3, 4]})


@pytest.mark.parametrize("shape", [(3, 200), (2, 1), (0, 5), (3, 0)])
def test_rows(shape):
    def calls(engine, t):
        engine.mvn(t["x"], t["y"], t["d"], 1e-2)
        engine.mvn_grad(t["y"], t["d"], t["dy"], t["dx"])
        engine.mvn(t["x"], t["x"], None, 0.0)
        engine.mvn_grad(t["x"], None, t["dy"], t["dy"])

    agree(dict.fromkeys(("x", "y", "dy", "dx"), shape) | {"d": shape[:1]}, calls)
