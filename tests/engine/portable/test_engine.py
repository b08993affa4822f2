"""The engine as a whole: chosen by name, silent where all is there, plain where Numba is not."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace

import numba
import numpy as np

from caffe_sdk.engine import select
from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import OPERATIONS, Recorder
from caffe_sdk.engine.portable import PortableEngine, conditions, engine
from caffe_sdk.engine.portable.loops import compiled
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (0, 0), (1, 1))
SHAPES = {"x": (2, 3, 8, 8), "weight": (4, 3, 3, 3), "bias": (4,), "y": (2, 4, 6, 6)}


def convolve(computing, t):
    computing.convolution(t["x"], t["weight"], t["bias"], t["y"], GEOMETRY)


def test_it_has_a_name():
    assert isinstance(select("portable"), PortableEngine)
    assert select("portable").name == "portable"


def test_it_is_what_the_cpu_engine_builds_on():
    assert issubclass(CpuEngine, PortableEngine)


def test_it_overrides_operations_and_nothing_else():
    own = {name for cls in PortableEngine.__mro__ for name in vars(cls) if "portable" in cls.__module__}
    assert {name for name in own if not name.startswith("_")} - set(OPERATIONS) == {"name", "compile"}


def test_without_numba_the_reference_computes_and_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(conditions, "HAS_NUMBA", False)
    engine._say_that_numba_is_missing.cache_clear()
    recorder = Recorder()
    convolve(recorder, tensors(SHAPES))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            PortableEngine().compile(recorder.calls)
    (record,) = caplog.records
    assert record.message == "computing slowly, with NumPy alone: Numba is not installed; pip install numba"
    agree(SHAPES, convolve, tolerance=0)


def test_import_loads_no_numba():
    probe = "import sys, caffe_sdk.engine.portable as p; p.PortableEngine(); print('numba' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False"]


def test_where_compiled_loops_cannot_be_kept(monkeypatch):
    real = numba.njit

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(compiled, "numba", SimpleNamespace(njit=njit))
    for make in (compiled.compiled, compiled.compiled_sum):
        seen = np.zeros(3)
        make(fill)(seen)
        np.testing.assert_array_equal(seen, [7, 7, 7])


def fill(room):
    for i in range(room.size):
        room[i] = 7


def test_nothing_to_compute():
    agree(SHAPES | {"x": (0, 3, 8, 8), "y": (0, 4, 6, 6)}, convolve)


def test_what_overflows_is_infinite_without_a_word():
    t = tensors(SHAPES)
    for name in ("x", "weight"):
        t[name].memory.update(HOST)[...] = 1e30
    convolve(PortableEngine(), t)
    assert np.isinf(t["y"].memory.read(HOST)).all()
