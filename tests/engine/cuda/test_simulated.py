"""The simulated device: kernels by fibres, memory full of NaN, and captured work."""

from __future__ import annotations

import ctypes
import shutil

import numpy as np
import pytest

from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.simulated import SimulatedBuffer, SimulatedDevice, compile_library
from caffe_sdk.engine.cuda.sources import FOLDER, Arguments, kernels, source
from caffe_sdk.errors import DeviceError, InternalError


def values(pointer: int, count: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(pointer)).copy()


def test_what_nobody_wrote_is_not_a_number():
    buffer = SimulatedDevice().allocate(12)
    assert np.isnan(values(buffer.pointer, 3)).all()
    assert SimulatedDevice().allocate(0).pointer


def test_memory_ends():
    with pytest.raises(DeviceError, match="2,000 bytes cannot be had"):
        SimulatedDevice(limit=1000).allocate(2000)


def test_matrices_in_every_way(rng):
    device = SimulatedDevice()
    a, b, c = (rng.random(shape, np.float32) for shape in ((2, 3, 4), (2, 4, 5), (2, 3, 5)))
    for a_transposed in (False, True):
        for b_transposed in (False, True):
            left = np.ascontiguousarray(a.swapaxes(1, 2)) if a_transposed else a
            right = np.ascontiguousarray(b.swapaxes(1, 2)) if b_transposed else b
            result = c.copy()
            pointers = (x.ctypes.data for x in (left, right, result))
            product = Product(3, 5, 4, *pointers, a_transposed, b_transposed, 1.0, 2, 12, 20, 15)
            device.multiply(product)
            np.testing.assert_allclose(result, a @ b + c, rtol=1e-5)


def test_captured_work_is_done_later_and_again():
    device, x = SimulatedDevice(), np.ones(4, np.float32)
    kernel = kernels()["accumulate"]

    def work():
        device.launch(kernel, 1, 32, Arguments(kernel, (4, x.ctypes.data, x.ctypes.data)))

    replay = device.capture(work)
    assert x.tolist() == [1] * 4
    replay.launch()
    replay.launch()
    assert x.tolist() == [4] * 4
    for forbidden in (lambda: device.allocate(1), lambda: device.upload(x, 0), lambda: device.download(0, x)):
        with pytest.raises(InternalError, match="while its work is written down"):
            device.capture(forbidden)
    work()
    assert x.tolist() == [8] * 4


def test_what_is_told_first_is_kept_and_then_forgotten():
    device = SimulatedDevice()
    label = np.array([7, -2], np.float32)
    y = np.zeros(2, np.float32)
    kernel = kernels()["take_rows"]
    pointers = label.ctypes.data, label.ctypes.data, 0, y.ctypes.data
    device.launch(kernel, 1, 32, Arguments(kernel, (2, *pointers, 1, 2, device.faults, 5)))
    assert device.look() == (5, 7.0)
    assert device.look() is None


def test_threads_that_wait_for_others_that_ended_are_found(tmp_path):
    text = (FOLDER / "simulated.h").read_text() + source("reduction").split("#define SUM 0")[0]
    text += "KERNEL wrong(int n) { if (threadIdx.x) block_sum(1); }\nENTRY(wrong, 1)\n"
    path = tmp_path / "wrong.so"
    compile_library(text, path)
    library = ctypes.CDLL(str(path))
    one = ctypes.c_int(1)
    addresses = (ctypes.c_void_p * 1)(ctypes.addressof(one))
    entry = ctypes.cast(library.call_wrong, ctypes.c_void_p)
    assert library.simulated_launch(entry, 1, 1, 64, addresses) == 1


def test_words_where_there_is_no_compiler_and_where_text_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(InternalError, match="not does not compile:"):
        compile_library("this is no C++", tmp_path / "not.so")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match=r"there is no C\+\+ compiler; install g\+\+"):
        compile_library("", tmp_path / "it.so")


def test_facts():
    facts = SimulatedDevice(3).facts()
    assert (facts.name, facts.number) == ("simulated device", 3)
    assert SimulatedBuffer(8).nbytes == 8
