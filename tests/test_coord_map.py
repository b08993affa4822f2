"""Positions followed from top to top, and crops that align them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.coord_map import (
    AxisMismatchException,
    UndefinedMapException,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    crop_params,
    inverse,
)
from caffe_sdk.errors import GraphError
from caffe_sdk.net_spec import NetSpec


def spec() -> NetSpec:
    """A fully convolutional net: down by 2 and up by 2, with a pad that makes room."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [2, 1, 100, 100]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=5, stride=1, pad=0)
    n.pool = L.Pooling(n.conv, pool=0, kernel_size=2, stride=2, pad=0)
    n.relu = L.ReLU(n.pool)
    n.up = L.Deconvolution(n.relu, convolution_param={"num_output": 10, "kernel_size": 4, "stride": 2, "pad": 0})
    return n


def plain(found: Any) -> tuple[int | None, float, float]:
    """A map whose scale and shift are one number each."""
    axis, scale, shift = found
    return axis, np.asarray(scale).item(), np.asarray(shift).item()


def test_maps_of_layers() -> None:
    n = spec()
    assert plain(coord_map(n.conv.fn)) == (1, 1, -2)
    assert plain(coord_map(n.pool.fn)) == (1, 0.5, -0.25)
    assert coord_map(n.relu.fn) == (None, 1, 0)
    assert plain(coord_map(n.up.fn)) == (1, 2, 1.5)
    cropped = L.Crop(n.up, n.data, axis=3, offset=[2, 5])
    assert crop_params(cropped.fn)[0] == 3
    axis, scale, shift = coord_map(cropped.fn)
    assert (axis, scale, list(shift)) == (2, 1, [-2, -5])


def test_windows_in_either_spelling() -> None:
    n = spec()
    direct = L.Convolution(n.data, num_output=1, kernel_size=[3, 5], dilation=2, pad=[1, 0], axis=2)
    nested = L.Convolution(
        n.data,
        convolution_param={"num_output": 1, "kernel_size": [3, 5], "dilation": 2, "pad": [1, 0], "axis": 2},
    )
    for top in (direct, nested):
        axis, stride, extent, pad = conv_params(top.fn)
        assert (axis, list(stride), list(extent), list(pad)) == (2, [1], [5, 9], [1, 0])


def test_maps_compose_and_turn_round() -> None:
    first, second = (1, 2, 3.0), (None, 4, 0.5)
    assert compose(first, second) == (1, 8, 4)
    assert compose(inverse(first), first) == (1, 1, 0)
    with pytest.raises(AxisMismatchException, match="axis 1, the other along axis 2"):
        compose(first, (2, 1, 0))


def test_a_map_through_the_net_is_the_product() -> None:
    n = spec()
    # in reverse: the deconvolution's middle, a pair's, and the convolution's
    assert plain(coord_map_from_to(n.up, n.data)) == (1, 1, -1.5 + 0.5 + 2)
    assert plain(coord_map_from_to(n.data, n.up)) == (1, 1, -1)
    assert coord_map_from_to(n.relu, n.relu) == (None, 1, 0)


@pytest.mark.parametrize("pad", [0, 3, 50])
def test_cropped_tops_lie_in_place(pad: int) -> None:
    """Unpadded convolution and its crop to the data agree with where a single bright pixel ends up."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=1, kernel_size=3, pad=pad + 1, weight_filler={"type": "constant"})
    n.crop = crop(n.conv, n.data)
    assert list(n.crop.fn.params["crop_param"]["offset"]) == [pad]
    with caffe.Net(n.to_proto(), caffe.TEST) as net:
        net.params["conv"][0].data[0, 0, 1, 1] = 1
        net.blobs["data"].data[0, 0, 7, 11] = 1
        net.forward()
        np.testing.assert_array_equal(net.blobs["crop"].data, net.blobs["data"].data)


def test_the_second_bottom_of_crop_is_not_followed() -> None:
    n = spec()
    n.other = L.Input(shape={"dim": [2, 1, 50, 50]})
    n.crop = L.Crop(n.data, n.other, axis=2, offset=4)
    assert coord_map_from_to(n.crop, n.data)[2] == 4
    with pytest.raises(RuntimeError, match="Could not compute map between tops"):
        coord_map_from_to(n.crop, n.other)


def test_layers_without_a_map_end_the_walk() -> None:
    n = spec()
    n.ip = L.InnerProduct(n.data, num_output=10)
    with pytest.raises(UndefinedMapException, match="InnerProduct"):
        coord_map(n.ip.fn)
    with pytest.raises(GraphError, match="Could not compute map"):
        coord_map_from_to(n.ip, n.data)
    n.both = L.Eltwise(n.ip, n.conv)
    assert plain(coord_map_from_to(n.both, n.data)) == (1, 1, 2)


def test_tops_in_the_same_place_need_no_offset() -> None:
    n = spec()
    cropped = crop(n.relu, n.pool)
    assert cropped.fn.params["crop_param"] == {"axis": 2, "offset": [0]}


@pytest.mark.parametrize(
    ("tops", "words"),
    [
        (lambda n: (n.pool, n.data), "scale mismatch on crop"),
        (lambda n: (n.conv, n.data), "cannot crop negative offset"),
        (lambda n: (L.Convolution(n.data, kernel_size=2, pad=2), n.data), "cannot crop noninteger offset"),
        (lambda n: (L.Convolution(n.data, kernel_h=2, kernel_size=2), n.data), "legacy _h/_w params: kernel_h"),
    ],
)
def test_what_cannot_be_cropped(tops: Callable[[Any], Any], words: str) -> None:
    for kind in (GraphError, AssertionError):
        with pytest.raises(kind, match=words):
            crop(*tops(spec()))


def test_a_window_without_a_size() -> None:
    with pytest.raises(GraphError, match="kernel_size is not known"):
        coord_map(L.Pooling(spec().data, global_pooling=True).fn)
