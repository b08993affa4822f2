"""Convolutions within a workspace, by few launches, without columns where windows are single values."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda.convolution import sizes_of
from caffe_sdk.engine.geometry import ConvolutionGeometry
from tests.engine.cuda.twins import agree, simulated


def geometry(kernel=3, stride=1, pad=1, dilation=1, group=1):
    return ConvolutionGeometry((kernel,) * 2, (stride,) * 2, (pad,) * 2, (dilation,) * 2, group)


def three(g):
    def calls(engine, t):
        engine.convolution(t["x"], t["w"], t["b"], t["y"], g)
        engine.convolution_grad_data(t["y"], t["w"], t["dx"], g)
        for _ in range(2):
            engine.convolution_grad_weight(t["x"], t["y"], t["dw"], t["db"], g)

    return calls


def shapes(g, n=5, c=4, o=8, size=(7, 6)):
    weight = (o, c // g.group, *g.kernel)
    x, y = (n, c, *size), (n, o, *g.output_size(size))
    return {"x": x, "w": weight, "b": (o,), "y": y, "dx": x, "dw": weight, "db": (o,)}


GEOMETRIES = [
    geometry(),
    geometry(group=2),
    geometry(group=4),
    geometry(kernel=1, pad=0),
    geometry(kernel=1, pad=0, group=2),
    geometry(kernel=1, pad=1),
    geometry(kernel=1, stride=2, pad=0),
    geometry(stride=2, dilation=2, pad=2),
]


@pytest.mark.parametrize("workspace", [1, 20_000, 1 << 28])
@pytest.mark.parametrize("g", GEOMETRIES, ids=str)
def test_numbers_are_the_same_whatever_the_workspace(g, workspace):
    engine = simulated()
    engine.workspace = workspace
    agree(shapes(g), three(g), engine=engine)
    image = sizes_of((5, 4, 7, 6), 8, g)
    if workspace == 20_000:
        assert engine.scratch_bytes() <= workspace + 5 * image.result * 4 + 4096


def test_windows_of_one_value_need_no_columns_forward():
    g, engine = geometry(kernel=1, pad=0), simulated()
    calls = three(g)

    def forward(computing, t):
        computing.convolution(t["x"], t["w"], t["b"], t["y"], g)
        computing.convolution_grad_data(t["y"], t["w"], t["dx"], g)

    agree(shapes(g), forward, engine=engine)
    assert engine.device.launches["im2col"] == engine.device.launches["col2im"] == 0
    agree(shapes(g), calls, engine=engine)


def test_an_empty_batch():
    g = geometry()
    agree(shapes(g, n=0), three(g))


def test_many_axes():
    g = ConvolutionGeometry((2,) * 5, (1, 2, 1, 1, 1), (1, 0, 1, 0, 0), (1,) * 5)
    agree(shapes(g, n=2, c=2, o=3, size=(3, 4, 2, 3, 2)), three(g), tolerance=1e-4)
