"""Winograd's filtering on plain arrays, against the reference's convolution."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable import PortableEngine, winograd
from caffe_sdk.engine.portable.winograd import Filtering, TransformedFilters
from caffe_sdk.memory import HOST
from tests.engine.portable.twins import agree, tensors

SETTINGS = {
    "3x3": (5, 7, 3, 1, 1),
    "3x3 whole blocks": (16, 48, 3, 1, 1),
    "3x3 without padding": (5, 7, 3, 0, 1),
    "3x3 padded more": (20, 33, 3, 2, 1),
    "3x3 grouped": (32, 64, 3, 1, 2),
    "5x5": (3, 17, 5, 2, 1),
    "5x5 without padding": (3, 17, 5, 0, 1),
    "5x5 grouped": (48, 48, 5, 2, 3),
    "11x11 by four": (3, 17, 11, 0, 1, 4),
    "9x9 by two, padded": (6, 5, 9, 3, 1, 2),
    "7x7 by two, grouped": (8, 32, 7, 2, 2, 2),
}
"""Channels, outputs, taps, padding, groups, and how far windows move if it is not one."""


def shapes(setting, batch=3, size=(11, 14)):
    channels, out, taps, pad, group, *more = SETTINGS[setting]
    stride = more[0] if more else 1
    geometry = ConvolutionGeometry((taps, taps), (stride, stride), (pad, pad), (1, 1), group)
    x, y = (batch, channels, *size), (batch, out, *geometry.output_size(size))
    weight = (out, channels // group, taps, taps)
    more = {"dweight": weight, "dbias": (out,)}
    return geometry, {"x": x, "weight": weight, "bias": (out,), "y": y, "dy": y, "dx": x, **more}


def calls(geometry):
    def compute(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], geometry)
        engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], geometry)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t["dbias"], geometry)

    return compute


@pytest.fixture(autouse=True)
def _forced(monkeypatch):
    monkeypatch.setenv("CAFFE_CONVOLUTION", "winograd")


@pytest.mark.parametrize("piece", [1, 1 << 23])
@pytest.mark.parametrize("setting", SETTINGS)
def test_convolution_and_gradient(monkeypatch, setting, piece):
    """One image at once, and all."""
    monkeypatch.setattr(winograd, "PIECE", piece)
    monkeypatch.setattr(winograd, "PIECE_OF_GRADIENT", piece)
    geometry, on = shapes(setting)
    assert Filtering.of(on["x"], on["y"], geometry).pays()
    agree(on, calls(geometry))


def test_transformed_filters_follow_the_weight():
    geometry, on = shapes("3x3")
    t = tensors(on)
    engine = PortableEngine()
    engine.convolution(t["x"], t["weight"], None, t["y"], geometry)
    before = t["y"].memory.read(HOST).copy()
    place = TransformedFilters.of(Filtering.of(on["x"], on["y"], geometry), on["weight"])
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
        ConvolutionGeometry((11, 11), (4, 3), (1, 1), (1, 1)),
        ConvolutionGeometry((11, 9), (4, 4), (1, 1), (1, 1)),
        ConvolutionGeometry((11, 11), (4, 4), (1, 1), (1, 1), group=32),
        ConvolutionGeometry((3, 3), (1, 1), (2, 2), (2, 2)),
        ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), group=4),
        ConvolutionGeometry((3,), (1,), (1,), (1,)),
    ):
        assert Filtering.of(x, y, other) is None


def test_when_it_pays(monkeypatch):
    """For CaffeNet's batches; not for a few channels, nor a few places; never if it is switched off."""
    geometry = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
    monkeypatch.delenv("CAFFE_CONVOLUTION")

    def pays(batch, channels, out, size, gradient=False):
        return Filtering.of((batch, channels, size, size), (batch, out, size, size), geometry).pays(gradient)

    assert pays(10, 256, 384, 13)
    assert pays(1, 256, 384, 13)
    assert not pays(1, 256, 384, 13, gradient=True)
    assert not pays(1, 512, 512, 4)
    assert not pays(10, 3, 8, 13)
    monkeypatch.setenv("CAFFE_CONVOLUTION", "direct")
    assert not pays(10, 256, 384, 13)


def test_the_way_back_of_strides_is_another():
    geometry, on = shapes("11x11 by four")
    assert Filtering.of(on["x"], on["y"], geometry).turned() is None


def test_padding_wider_than_the_filter():
    geometry = ConvolutionGeometry((3, 3), (1, 1), (3, 3), (1, 1))
    on = {"x": (2, 4, 5, 5), "weight": (6, 4, 3, 3), "bias": (6,), "y": (2, 6, 9, 9)}
    agree(on | {"dy": on["y"], "dx": on["x"], "dweight": on["weight"], "dbias": (6,)}, calls(geometry))


def test_more_batch_axes():
    geometry = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), axis=2)
    on = {"x": (2, 2, 4, 6, 5), "weight": (6, 4, 3, 3), "bias": (6,), "y": (2, 2, 6, 6, 5)}
    agree(on | {"dy": on["y"], "dx": on["x"], "dweight": on["weight"], "dbias": (6,)}, calls(geometry))


@pytest.mark.parametrize("setting", ["3x3 padded more", "5x5", "11x11 by four"])
def test_rounding_is_that_of_direct_convolution_but_for_a_digit(setting):
    geometry, on = shapes(setting)
    exact, t = tensors(on, np.float64), tensors(on)
    for name, tensor in exact.items():
        tensor.memory.write(HOST)[...] = t[name].memory.read(HOST)
    for each in (exact, t):
        PortableEngine().convolution(each["x"], each["weight"], each["bias"], each["y"], geometry)
    wanted = exact["y"].memory.read(HOST)
    assert np.abs(t["y"].memory.read(HOST) - wanted).max() < 1e-5 * np.abs(wanted).max()
