"""Finding oneDNN, doing without it, and its threads: bounded, changed, and alone in a forked child."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import signal
import threading
import time

import numpy as np
import pytest

from caffe_sdk.engine.cpu import library
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST
from caffe_sdk.threads import num_threads, set_num_threads
from tests.engine.cpu.twins import compiled, numbers, tensors

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
SHAPES = {"x": (2, 16, 20, 20), "weight": (32, 16, 3, 3), "bias": (32,), "y": (2, 32, 20, 20)}


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], GEOMETRY)


def test_finds_the_package_s_library():
    assert library.find().name.startswith("libdnnl.so.3")
    assert library.library().version.startswith("3.")


def test_absence_is_an_error_that_says_what_to_install(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", nothing)
    with pytest.raises(DeviceError, match="pip install onednn-cpu-gomp"):
        library.find()


def test_a_file_that_is_no_library_is_an_error(tmp_path):
    broken = tmp_path / "libdnnl.so.3.2"
    broken.write_bytes(b"not a library")
    with pytest.raises(DeviceError, match="cannot be loaded"):
        library.Library(broken)


def test_a_system_without_openmp_is_told_what_to_install(monkeypatch):
    """Slim container images have none."""
    monkeypatch.setattr(library, "OPENMP", "libgomp.so.none")
    with pytest.raises(DeviceError, match=r"none cannot be loaded: .*; install GNU OpenMP's library"):
        library.Library(library.find())


# -- threads -----------------------------------------------------------------------------------------------------------


def test_a_program_goes_on_with_another_number_of_threads():
    set_num_threads(2)
    t = tensors(SHAPES)
    program = compiled(convolve, t)
    program.run()
    before = numbers(t["y"]).copy()
    parts = program.parts
    set_num_threads(1)
    program.run()
    assert program.parts is not parts
    np.testing.assert_allclose(numbers(t["y"]), before, rtol=1e-5, atol=1e-5)


def test_alone_there_is_one_thread_but_in_a_team():
    set_num_threads(2)
    library.prepare()
    seen = []
    work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda nothing: seen.append(threading.get_ident()))
    begin = library.library().omp.GOMP_parallel

    def team():
        seen.clear()
        begin(work, None, 2, 0)
        return len(seen)

    assert team() == library.in_team(team) == 2
    with library.alone():
        assert team() == 1
        assert library.in_team(team) == 2
        with pytest.raises(ZeroDivisionError):
            library.in_team(lambda: 1 // 0)
        assert team() == 1
    assert team() == 2
    with pytest.raises(ZeroDivisionError), library.alone():
        raise ZeroDivisionError
    assert team() == library.in_team(team) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_alone_and_does_not_hang():
    set_num_threads(2)
    t = tensors(SHAPES)
    program = compiled(convolve, t)
    program.run()  # GNU OpenMP's pool exists from here on
    before = numbers(t["y"]).copy()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            program.run()
            again = compiled(convolve, t)
            again.run()
            set_num_threads(2)
            right = num_threads() == 1 and np.allclose(t["y"].memory.read(HOST), before.ravel(), atol=1e-4)
            status = 0 if right else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if done == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(done[1]) == 0
    assert num_threads() == 2
    program.run()
