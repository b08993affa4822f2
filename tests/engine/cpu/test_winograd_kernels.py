"""Loops that threads call with a job: how they are compiled and kept. What they compute is in test_winograd."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from caffe_sdk.engine.cpu import vectors, winograd, winograd_kernels
from caffe_sdk.memory import aligned


@pytest.fixture
def anew():
    """Nothing is compiled yet, and what the test compiles is forgotten."""
    winograd_kernels.compiled.cache_clear()
    yield
    winograd_kernels.compiled.cache_clear()


def transformed():
    """One filter of ones in float64 and as the loop transforms it, in places 0, 7 and 35."""
    w, place = aligned(9 * 16 * 16, np.float32), winograd.transformed((16, 16, 3, 3))
    w[...] = 1
    u = aligned(place.descriptor.dims[0], np.float32)
    values = {"w": winograd.address(w), "u": winograd.address(u), "items": 1, "blocks_in": 1, "blocks_out": 1}
    winograd.Job("transform_filters", {**values, **place.distances}).run()
    return [float(u[i * place.place // 4]) for i in (0, 7, 35)]


def expected():
    a, b = 0.625**2, 1.5**2
    corner, middle = 1 / (a * b), (1 + 0.625 + a) / (2 * a * (a - b))
    return [corner**2, middle**2, 1]


@pytest.mark.usefixtures("anew")
def test_where_compiled_loops_cannot_be_kept(monkeypatch):
    real = numba.cfunc

    def cfunc(signature, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(signature, **options)

    monkeypatch.setattr(winograd_kernels.compiler, "cfunc", cfunc)
    np.testing.assert_allclose(transformed(), expected(), rtol=1e-6)


@pytest.mark.usefixtures("anew")
def test_what_loops_consist_of_is_in_the_name_they_are_kept_under(monkeypatch, tmp_path):
    changed = tmp_path / "vectors.py"
    changed.write_text("changed")
    names = []
    for path in (vectors.__file__, str(changed), str(tmp_path / "missing.py")):
        monkeypatch.setattr(vectors, "__file__", path)
        winograd_kernels.compiled.cache_clear()
        names.append(winograd_kernels.compiled("transform_filters").__wrapped__.__qualname__)
    assert len(set(names)) == 3
