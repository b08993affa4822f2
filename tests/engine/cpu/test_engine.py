"""The engine where oneDNN is, and where it is not."""

from __future__ import annotations

import logging
import subprocess
import sys

from caffe_sdk.engine.cpu import CpuEngine, library
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import EagerProgram, Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DeviceError
from tests.engine.cpu.twins import close, tensors

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
SHAPES = {"x": (2, 16, 20, 20), "weight": (32, 16, 3, 3), "bias": (32,), "y": (2, 32, 20, 20)}


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], GEOMETRY)


def test_without_onednn_the_reference_computes_and_says_so_once(monkeypatch, caplog):
    def nothing():
        raise DeviceError("oneDNN", "not installed", library.REMEDY)

    monkeypatch.setattr("caffe_sdk.engine.cpu.engine.library", nothing)
    engine, t, expected = CpuEngine(), tensors(SHAPES), tensors(SHAPES)
    recorder = Recorder()
    convolve(recorder, t)
    with caplog.at_level(logging.WARNING):
        programs = [engine.compile(recorder.calls) for _ in range(3)]
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    assert "pip install onednn-cpu-gomp" in caplog.text
    assert all(isinstance(program, EagerProgram) for program in programs)
    programs[0].run()
    convolve(ReferenceEngine(), expected)
    close(t["y"], expected["y"])


def test_import_loads_neither_onednn_nor_numba():
    probe = (
        "import sys, caffe_sdk.engine.cpu as cpu; cpu.CpuEngine(); "
        "print('numba' in sys.modules, 'libdnnl' in open('/proc/self/maps').read())"
    )
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
