"""Convolutions cut into pieces, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable import PortableEngine, convolution
from caffe_sdk.engine.portable.loops import windows
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors

SETTINGS = {
    "plain": ((7, 9), ConvolutionGeometry((3, 3), (1, 1), (0, 0), (1, 1))),
    "padded": ((7, 9), ConvolutionGeometry((3, 5), (1, 1), (1, 2), (1, 1))),
    "strided": ((11, 13), ConvolutionGeometry((3, 5), (2, 3), (1, 2), (1, 1))),
    "stride beyond kernel": ((9, 10), ConvolutionGeometry((1, 2), (3, 4), (0, 0), (1, 1))),
    "dilated": ((11, 12), ConvolutionGeometry((3, 2), (1, 2), (2, 1), (2, 3))),
    "grouped": ((6, 6), ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), group=2)),
    "depthwise": ((6, 6), ConvolutionGeometry((3, 3), (2, 2), (1, 1), (1, 1), group=4)),
    "pointwise": ((5, 5), ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))),
    "one axis": ((12,), ConvolutionGeometry((3,), (2,), (1,), (1,))),
    "three axes": ((4, 5, 6), ConvolutionGeometry((2, 2, 3), (1, 2, 1), (0, 1, 1), (1, 1, 1))),
}


def shapes(setting, batch=(5,), channels=4, out=8):
    size, geometry = SETTINGS[setting]
    y = (*batch, out, *geometry.output_size(size))
    weight = (out, channels // geometry.group, *geometry.kernel)
    x = (*batch, channels, *size)
    return {"x": x, "weight": weight, "bias": (out,), "y": y, "dx": x, "dweight": weight, "dbias": (out,), "dy": y}


def compute(geometry):
    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], geometry)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], geometry)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t["dbias"], geometry)

    return calls


@pytest.mark.parametrize("piece", [1, 150, 1 << 21])
@pytest.mark.parametrize("setting", SETTINGS)
def test_convolution_and_gradients(monkeypatch, setting, piece):
    """Pieces of one row of windows, of some rows or images, and all at once."""
    monkeypatch.setattr(convolution, "PIECE", piece)
    agree(shapes(setting), compute(SETTINGS[setting][1]))


def test_more_batch_axes():
    geometry = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), axis=2)
    agree(
        shapes("padded", batch=(2, 3))
        | {"weight": (8, 4, 3, 3), "dweight": (8, 4, 3, 3)}
        | dict.fromkeys(("y", "dy"), (2, 3, 8, 7, 9)),
        compute(geometry),
    )


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("places", [1, 1000])
def test_pointwise(monkeypatch, group, places):
    """Image by image, and gathered."""
    monkeypatch.setattr(convolution, "PLACES", places)
    geometry = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1), group)
    x, weight, y = (3, 4, 5, 6), (8, 4 // group, 1, 1), (3, 8, 5, 6)
    on = {"x": x, "weight": weight, "bias": (8,), "y": y, "dx": x, "dweight": weight, "dbias": (8,), "dy": y}
    agree(on, compute(geometry))


def test_without_bias_and_gradients_alone():
    _, geometry = SETTINGS["padded"]

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
        engine.convolution_grad_weight(t["x"], t["dy"], None, t["dbias"], geometry)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], None, geometry)

    agree(shapes("padded"), calls)


def test_in_place():
    geometry = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["x"], geometry)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dy"], geometry)

    agree({"x": (2, 4, 3, 3), "weight": (4, 4, 1, 1), "bias": (4,), "dy": (2, 4, 3, 3)}, calls)


def test_numbers_of_64_bits_are_left_to_the_reference():
    agree(shapes("strided"), compute(SETTINGS["strided"][1]), np.float64, tolerance=0)


def test_columns_and_matrices_go_there_and_back():
    """Every window's value is one of the image's, and adding them up again counts how often each is seen."""
    image = np.arange(2 * 3 * 5 * 2 * 4, dtype=np.float32).reshape(2, 3, 5, 2, 4)
    columns = np.empty((2, 3, 2, 4, 3), np.float32)
    steps = (1, 1, 1, 3)
    windows.unroll(image, 1, 2, columns, steps)
    assert columns[1, 2, 1, 0, 0] == image[0, 2, 2 + 2, 1, 0]
    assert columns[0, 0, 0, 1, 2] == image[1, 1, 0, 0, 2]
    seen = np.zeros_like(image)
    windows.roll(np.ones_like(columns), seen, 1, 2, steps)
    assert seen.sum() == columns.size
    assert not seen[:, 0].any()


def test_memory_is_bounded(monkeypatch):
    """No piece has more columns than it may."""
    monkeypatch.setattr(convolution, "PIECE", 500)
    counts = []
    columns = convolution.Cut.columns

    def watching(self, *arguments):
        made = columns(self, *arguments)
        counts.append(made.size)
        return made

    monkeypatch.setattr(convolution.Cut, "columns", watching)
    t = tensors(shapes("plain"))
    compute(SETTINGS["plain"][1])(PortableEngine(), t)
    assert len(counts) > 10
    assert max(counts) <= 500
    assert np.isfinite(t["y"].memory.read(HOST)).all()
