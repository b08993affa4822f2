"""Winograd's filtering by loops and BLAS, against the reference's convolution."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable import PortableEngine, winograd
from caffe_sdk.engine.portable.loops import winograd as loops
from caffe_sdk.engine.portable.winograd import Filtering, TransformedFilters, transform
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors

SETTINGS = {
    "3x3": (5, 7, 3, 1, 1),
    "3x3 without padding": (5, 7, 3, 0, 1),
    "3x3 padded more": (20, 33, 3, 2, 1),
    "3x3 grouped": (32, 64, 3, 1, 2),
    "5x5": (3, 17, 5, 2, 1),
    "5x5 without padding": (3, 17, 5, 0, 1),
    "5x5 grouped": (48, 48, 5, 2, 3),
}
"""Channels, outputs, taps, padding and groups."""


def shapes(setting, batch=3, size=(9, 14)):
    channels, out, taps, pad, group = SETTINGS[setting]
    geometry = ConvolutionGeometry((taps, taps), (1, 1), (pad, pad), (1, 1), group)
    x, y = (batch, channels, *size), (batch, out, *geometry.output_size(size))
    weight = (out, channels // group, taps, taps)
    return geometry, {"x": x, "weight": weight, "bias": (out,), "y": y, "dy": y, "dx": x, "dweight": weight}


def calls(geometry):
    def compute(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], geometry)
        engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], geometry)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t["bias"], geometry)

    return compute


@pytest.fixture(autouse=True)
def _forced(monkeypatch):
    monkeypatch.setenv("CAFFE_CONVOLUTION", "winograd")


@pytest.mark.parametrize("piece", [(1, 1), (1, 9), (1 << 20, 160)])
@pytest.mark.parametrize("setting", SETTINGS)
def test_convolution_and_gradient(monkeypatch, setting, piece):
    """A row of tiles at once, a few of them, and all."""
    monkeypatch.setattr(winograd, "PIECE", piece[0])
    monkeypatch.setattr(winograd, "TILES", piece[1])
    geometry, on = shapes(setting)
    assert Filtering.of(on["x"], on["y"], geometry).pays()
    agree(on, calls(geometry))


def test_transformed_filters_follow_the_weight():
    geometry, on = shapes("3x3")
    t = tensors(on)
    engine = PortableEngine()
    engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
    before = t["y"].memory.read(HOST).copy()
    place = TransformedFilters(on["weight"], 1, turned=False)
    assert place in t["weight"].memory.fresh
    t["weight"].memory.update(HOST)[...] *= 2
    assert place not in t["weight"].memory.fresh
    engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
    np.testing.assert_allclose(t["y"].memory.read(HOST), 2 * before, rtol=1e-3, atol=1e-4)


def test_what_is_no_filtering():
    plain = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
    x, y = (1, 32, 8, 8), (1, 32, 8, 8)
    assert Filtering.of(x, y, plain) is not None
    for other in (
        ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1)),
        ConvolutionGeometry((3, 3), (2, 2), (1, 1), (1, 1)),
        ConvolutionGeometry((3, 3), (1, 1), (2, 2), (2, 2)),
        ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), group=4),
        ConvolutionGeometry((3,), (1,), (1,), (1,)),
    ):
        assert Filtering.of(x, y, other) is None


def test_when_it_pays(monkeypatch):
    """For CaffeNet's batches; not for a few channels, nor a few places; never if it is switched off."""
    geometry = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
    monkeypatch.delenv("CAFFE_CONVOLUTION")

    def pays(batch, channels, out, size):
        return Filtering.of((batch, channels, size, size), (batch, out, size, size), geometry).pays()

    assert pays(10, 256, 384, 13)
    assert not pays(1, 512, 512, 4)
    assert not pays(10, 3, 8, 13)
    monkeypatch.setenv("CAFFE_CONVOLUTION", "direct")
    assert not pays(10, 256, 384, 13)


def test_padding_wider_than_the_filter_has_no_way_back():
    geometry = ConvolutionGeometry((3, 3), (1, 1), (3, 3), (1, 1))
    on = {"x": (2, 4, 5, 5), "weight": (6, 4, 3, 3), "bias": (6,), "y": (2, 6, 9, 9)}
    assert not Filtering.of(on["x"], on["y"], geometry).turned().pays()
    agree(on | {"dy": on["y"], "dx": on["x"], "dweight": on["weight"]}, calls(geometry))


@pytest.mark.parametrize("taps", [3, 5])
def test_a_filter_of_ones_sums(taps):
    """One tile: G of ones against A and B, by hand."""
    g = transform(taps) @ np.ones(taps)
    a, b = loops.POINTS
    values = [1 + sum(p**i for i in range(1, taps)) for p in (0, a, -a, b, -b)]
    left_out = [np.prod([p - q for q in (0, a, -a, b, -b) if q != p]) for p in (0, a, -a, b, -b)]
    np.testing.assert_allclose(g, [*(v / w for v, w in zip(values, left_out, strict=True)), 1])


def test_rounding_is_that_of_direct_convolution_but_for_a_digit(rng):
    geometry, on = shapes("3x3 padded more")
    exact, t = tensors(on, np.float64), tensors(on)
    for name, tensor in exact.items():
        tensor.memory.write(HOST)[...] = t[name].memory.read(HOST)
    for each in (exact, t):
        PortableEngine().convolution(each["x"], each["weight"], each["bias"], each["y"], geometry)
    wanted = exact["y"].memory.read(HOST)
    assert np.abs(t["y"].memory.read(HOST) - wanted).max() < 1e-5 * np.abs(wanted).max()
