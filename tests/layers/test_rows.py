"""Layers that pick rows."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import names, select, use
from caffe_sdk.errors import DataError, LayerError, ShapeError
from caffe_sdk.net import Net
from tests.layers.making import made
from tests.net.models import describe

FILTERED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "keep" type: "Input" top: "keep" input_param { shape { dim: 4 dim: 1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "h"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "filter" type: "Filter" bottom: "h" bottom: "keep" top: "y" }
layer { name: "top" type: "InnerProduct" bottom: "y" top: "z"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } loss_weight: 1 }
"""


@pytest.mark.parametrize("engine", [*names(), "fake"])
def test_filter_in_a_net_that_follows(engine: str) -> None:
    net = Net(describe(FILTERED), 0)
    x = np.random.default_rng(1).normal(size=(4, 3))
    assert net.blobs["y"].shape == (4, 2)  # before the numbers are known
    with use(engine):
        for keep in ([0, 1, 1, 0], [2, 0, -1, 1], [0, 0, 0, 0], [1, 1, 1, 1]):
            kept = np.flatnonzero(keep)
            net.forward(x=x, keep=np.reshape(keep, (4, 1)))
            assert net.blobs["z"].shape == (len(kept), 3)
            np.testing.assert_allclose(net.blobs["y"].data, net.blobs["h"].data[kept])
            net.backward(z=np.ones((len(kept), 3)))
            expected = np.zeros((4, 2))
            expected[kept] = net.params["top"][0].data.sum(axis=0)
            np.testing.assert_allclose(net.blobs["h"].diff, expected, rtol=1e-6)


def test_filter_several_bottoms() -> None:
    layer = made("Filter", bottoms=3, tops=2)
    bottom, top = [Blob((3, 2)), Blob((3, 1, 2)), Blob((3,))], [Blob((3, 2)), Blob((3, 1, 2))]
    bottom[1].data[...] = np.arange(6).reshape(3, 1, 2)
    bottom[2].data[...] = [1, 0, 1]
    layer.forward(select("reference"), bottom, top)
    assert [b.shape for b in top] == [(2, 2), (2, 1, 2)]
    np.testing.assert_array_equal(top[1].data[:, 0], [[0, 1], [4, 5]])
    assert [layer.can_force_backward(i) for i in range(3)] == [True, True, False]
    with pytest.raises(LayerError, match="cannot backpropagate to the selector"):
        layer.backward(select("reference"), top, [True, True, True], bottom)


def test_filter_needs_a_top_for_each_bottom() -> None:
    with pytest.raises(LayerError, match="has 2 tops for 1 bottoms and a selector; give 1 tops"):
        made("Filter", bottoms=2, tops=2)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(4, 3), (4, 2)], "Selector blob dimensions must be singletons"),
        ([(4, 3), ()], "Selector blob dimensions must be singletons"),
        ([(5, 3), (4,)], r"bottom 0 of shape \(5, 3\), selector \(4,\); give one batch size"),
    ],
)
def test_filter_shapes_that_do_not_fit(shapes: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        made("Filter", bottoms=2).shapes(shapes)


def test_batch_reindex() -> None:
    layer = made("BatchReindex", bottoms=2)
    assert layer.shapes([(5, 3, 2), (7,)]) == [(7, 3, 2)]
    with pytest.raises(ShapeError, match=r"index has shape \(7, 1\); give it one axis"):
        layer.shapes([(5, 3), (7, 1)])
    with pytest.raises(ShapeError, match="the first bottom has no axes"):
        layer.shapes([(), (7,)])
    bottom, top = [Blob((5, 3)), Blob((2,))], [Blob((2, 3))]
    with pytest.raises(LayerError, match="cannot backpropagate to the index"):
        layer.backward(select("reference"), top, [True, True], bottom)
    bottom[1].data[...] = [0, 5]
    with pytest.raises(DataError, match="5 is not one of 5 rows"):
        layer.forward(select("reference"), bottom, top)
