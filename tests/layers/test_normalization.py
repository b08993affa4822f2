"""Normalizations: running statistics, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.engine import select
from caffe_sdk.errors import LayerError, ShapeError
from tests.layers.making import made

ENGINE = select("reference")


def batch_norm(text: str = "", train: bool = True) -> Any:
    layer = made("BatchNorm", text, train=train)
    layer.blobs = [Blob((2,)), Blob((2,)), Blob((1,))]
    return layer


def test_running_statistics_follow_the_batches(rng: np.random.Generator) -> None:
    layer = batch_norm("batch_norm_param { moving_average_fraction: 0.5 }")
    bottom, top = Blob((4, 2, 3)), Blob((4, 2, 3))
    layer.reshape([bottom], [top])
    batches = [rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3))]
    for values in batches:
        bottom.data[...] = values
        layer.forward(ENGINE, [bottom], [top])
        np.testing.assert_allclose(top.data.mean(axis=(0, 2)), 0, atol=1e-6)
    mean, variance, weight = (blob.data for blob in layer.blobs)
    assert weight == 1.5
    means, variances = ([f(v, (0, 2)) for v in batches] for f in (np.mean, lambda v, axis: v.var(axis, ddof=1)))
    np.testing.assert_allclose(mean, 0.5 * means[0] + means[1], rtol=1e-5)
    np.testing.assert_allclose(variance, 0.5 * variances[0] + variances[1], rtol=1e-5)


def test_at_test_the_running_statistics_count() -> None:
    layer = batch_norm("batch_norm_param { eps: 0 }", train=False)
    for blob, values in zip(layer.blobs, ([2, 4], [8, 32], [2]), strict=True):
        blob.data[...] = values
    bottom, top = Blob((1, 2)), Blob((1, 2))
    bottom.data[...] = [[5, 10]]
    layer.reshape([bottom], [top])
    layer.forward(ENGINE, [bottom], [top])
    assert top.data.tolist() == [[2, 2]]


def test_an_empty_batch_changes_no_statistics() -> None:
    layer = batch_norm()
    bottom, top = Blob((0, 2, 3)), Blob((0, 2, 3))
    layer.reshape([bottom], [top])
    layer.forward(ENGINE, [bottom], [top])
    assert not any(blob.data.any() for blob in layer.blobs)


def test_statistics_are_not_trained() -> None:
    layer = made("BatchNorm")
    assert [(spec.lr_mult, spec.decay_mult) for spec in layer.config.param] == [(0, 0)] * 3
    assert [p.shape for p in layer.parameters([(4, 7, 3)])] == [(7,), (7,), (1,)]
    made("BatchNorm", "param { lr_mult: 0 } " * 3)
    with pytest.raises(LayerError, match="statistics cannot be trained as parameters"):
        made("BatchNorm", "param { lr_mult: 1 }")


@pytest.mark.parametrize(("size", "words"), [(4, "local_size: 4; give an odd number"), (0, "local_size: 0")])
def test_neighbourhoods_have_a_middle(size: int, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        made("LRN", f"lrn_param {{ local_size: {size} }}")


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"input \(2, 3\) has 2 axes; give num, channels, height, width"):
        made("LRN").shapes([(2, 3)])
    with pytest.raises(ShapeError, match=r"input \(2, 3, 4, 5, 6\) has 5 axes"):
        made("MVN").shapes([(2, 3, 4, 5, 6)])
    with pytest.raises(ShapeError, match="input is a scalar"):
        made("BatchNorm").parameters([()])


def test_lrn_by_hand() -> None:
    layer = made("LRN", "lrn_param { local_size: 3 alpha: 3 beta: 1 k: 2 }")
    bottom, top = Blob((1, 3, 1, 1)), Blob((1, 3, 1, 1))
    bottom.data[...] = np.array([1, 2, 3]).reshape(1, 3, 1, 1)
    layer.reshape([bottom], [top])
    layer.forward(ENGINE, [bottom], [top])
    np.testing.assert_allclose(top.data.reshape(-1), [1 / (2 + 5), 2 / (2 + 14), 3 / (2 + 13)], rtol=1e-6)


def test_mvn_has_mean_0_and_deviation_1(rng: np.random.Generator) -> None:
    layer = made("MVN")
    bottom, top = Blob((2, 3, 4, 5)), Blob((2, 3, 4, 5))
    bottom.data[...] = rng.normal(7, 3, bottom.shape)
    layer.reshape([bottom], [top])
    layer.forward(ENGINE, [bottom], [top])
    np.testing.assert_allclose(top.data.mean(axis=(2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(top.data.std(axis=(2, 3)), 1, atol=1e-5)
