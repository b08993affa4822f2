"""Convolution against SciPy, and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.reference.convolution import rolled, unrolled
from caffe_sdk.memory import new_tensor
from tests.engine.reference.tensors import ENGINE, tensor, values


@pytest.mark.parametrize("space", [(9,), (6, 7), (5, 4, 6)])
def test_convolution_is_correlation(rng: np.random.Generator, space: tuple[int, ...]) -> None:
    axes = len(space)
    x, weight, bias = rng.normal(size=(2, 3, *space)), rng.normal(size=(4, 3, *(3,) * axes)), rng.normal(size=4)
    geometry = ConvolutionGeometry((3,) * axes, (1,) * axes, (0,) * axes, (1,) * axes)
    out = geometry.output_size(space)
    y = new_tensor((2, 4, *out), np.float64)
    ENGINE.convolution(tensor(x), tensor(weight), tensor(bias), y, geometry)
    for n, o in np.ndindex(2, 4):
        np.testing.assert_allclose(values(y)[n, o], signal.correlate(x[n], weight[o], "valid")[0] + bias[o])


def test_stride_pad_dilation_and_group(rng: np.random.Generator) -> None:
    """Against the definition, place by place."""
    x, weight = rng.normal(size=(1, 4, 8, 7)), rng.normal(size=(6, 2, 3, 2))
    geometry = ConvolutionGeometry((3, 2), (2, 1), (2, 1), (2, 3), group=2)
    oh, ow = geometry.output_size((8, 7))
    y = new_tensor((1, 6, oh, ow), np.float64)
    ENGINE.convolution(tensor(x), tensor(weight), None, y, geometry)
    got = values(y)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)))
    for o, i, j in np.ndindex(6, oh, ow):
        first = o // 3 * 2
        seen = padded[0, first : first + 2, 2 * i : 2 * i + 5 : 2, j : j + 4 : 3]
        np.testing.assert_allclose(got[0, o, i, j], (seen * weight[o]).sum())


def test_rolling_is_the_transpose_of_unrolling(rng: np.random.Generator) -> None:
    geometry = ConvolutionGeometry((3, 2), (2, 1), (1, 1), (1, 2), group=2)
    x = rng.normal(size=(2, 4, 6, 5))
    columns = unrolled(x, geometry)
    other = rng.normal(size=columns.shape)
    assert (columns * other).sum() == pytest.approx((x * rolled(other, x.shape, geometry)).sum())


def test_weight_gradients_add_up() -> None:
    geometry = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))
    x, dy = tensor(np.full((1, 1, 2, 2), 3)), tensor(np.ones((1, 1, 2, 2)))
    dweight, dbias = tensor([[[[100]]]]), tensor([10])
    ENGINE.convolution_grad_weight(x, dy, dweight, None, geometry)
    ENGINE.convolution_grad_weight(x, dy, None, dbias, geometry)
    assert values(dweight).item() == 112
    assert values(dbias).item() == 14
