"""The tool that times a net's steps, on the smallest net; no time is judged."""

from __future__ import annotations

import sys

import pytest

from caffe_sdk.engine.cpu.library import find
from caffe_sdk.errors import DeviceError
from tests.bench import layers

try:
    find()
except DeviceError:
    pytest.skip("oneDNN has no wheel for this system", allow_module_level=True)

OTHER = """
class Net:
    def __init__(self, batch, train):
        self.calls = []
    def forward(self):
        self.calls.append("forward")
    def backward(self):
        self.calls.append("backward")

NETS = {"lenet": Net}
"""


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["layers.py", "lenet", "--batch", "2", "--rounds", "2", *arguments])
    layers.main()


@pytest.mark.parametrize("phase", [[], ["--train"]])
def test_steps_and_their_times(monkeypatch, capsys, phase):
    run(monkeypatch, "--every", *phase)
    lines = capsys.readouterr().out.splitlines()
    assert sum("convolution_forward" in line for line in lines) >= 2
    assert any("convolution_backward_weights" in line for line in lines) == bool(phase)
    assert lines[-1].endswith("steps")


def test_comparison(monkeypatch, capsys, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(OTHER)
    run(monkeypatch, "--train", "--against", str(other))
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert words == ["ours", "other", "ratio"]
