"""Fillers: the distributions they promise, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from caffe_sdk import fillers
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Array, Shape
from caffe_sdk.schema.messages import FillerParameter

SHAPE = (60, 20, 5, 5)
COUNT = math.prod(SHAPE)


def parameter(text: str) -> Any:
    return text_format.Parse(text, FillerParameter())


def filled(text: str, shape: Shape = SHAPE, seed: int = 3) -> Array:
    array = np.full(shape, np.nan, np.float32)
    fillers.fill(array, parameter(text), np.random.default_rng(seed), "layer 'it'")
    return array


def test_there_are_seven() -> None:
    expected = ["bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier"]
    assert sorted(fillers.FILLERS) == expected


def test_constant_is_the_default() -> None:
    assert not filled("").any()
    assert (filled("type: 'constant' value: 1.5") == 1.5).all()


def test_uniform() -> None:
    values = filled("type: 'uniform' min: -1 max: 3")
    assert -1 <= values.min() < -0.99
    assert 2.99 < values.max() <= 3
    assert abs(values.mean() - 1) < 0.05


def test_gaussian() -> None:
    values = filled("type: 'gaussian' mean: 2 std: 0.5")
    assert abs(values.mean() - 2) < 0.01
    assert abs(values.std() - 0.5) < 0.01


def test_sparse_gaussian_leaves_some_outputs_for_each_input() -> None:
    values = filled("type: 'gaussian' std: 1 sparse: 15")
    assert abs((values != 0).mean() - 15 / SHAPE[0]) < 0.01
    assert abs(values[values != 0].std() - 1) < 0.02


def test_positive_unitball() -> None:
    values = filled("type: 'positive_unitball'")
    assert values.min() >= 0
    np.testing.assert_allclose(values.reshape(SHAPE[0], -1).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("norm", "n"),
    [("FAN_IN", COUNT / 60), ("FAN_OUT", COUNT / 20), ("AVERAGE", (COUNT / 60 + COUNT / 20) / 2)],
)
def test_xavier_and_msra_scale_with_the_fan(norm: str, n: float) -> None:
    xavier = filled(f"type: 'xavier' variance_norm: {norm}")
    assert np.abs(xavier).max() == pytest.approx(math.sqrt(3 / n), rel=1e-3)
    assert xavier.std() == pytest.approx(math.sqrt(1 / n), rel=0.02)
    msra = filled(f"type: 'msra' variance_norm: {norm}")
    assert msra.std() == pytest.approx(math.sqrt(2 / n), rel=0.02)


def test_fan_of_vectors_and_scalars() -> None:
    assert np.abs(filled("type: 'xavier'", (1000,))).max() == pytest.approx(math.sqrt(3), rel=1e-2)
    fan_out = filled("type: 'xavier' variance_norm: FAN_OUT", (1000,))
    assert np.abs(fan_out).max() == pytest.approx(math.sqrt(3 / 1000), rel=1e-2)
    assert np.isfinite(filled("type: 'msra'", ()))


def test_bilinear_interpolates() -> None:
    values = filled("type: 'bilinear'", (3, 1, 4, 4))
    line = np.array([0.25, 0.75, 0.75, 0.25])
    for kernel in values[:, 0]:
        np.testing.assert_allclose(kernel, np.outer(line, line))
    odd = filled("type: 'bilinear'", (1, 1, 3, 3))[0, 0]
    np.testing.assert_allclose(odd, np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))


@pytest.mark.parametrize("name", sorted(set(fillers.FILLERS) - {"bilinear"}))
def test_any_shape_even_empty(name: str) -> None:
    for shape in [(), (3,), (0, 4), (2, 3, 4, 5, 6)]:
        assert np.isfinite(filled(f"type: '{name}'", shape)).all()


@pytest.mark.parametrize("name", ["uniform", "gaussian", "xavier"])
def test_the_generator_decides(name: str) -> None:
    np.testing.assert_array_equal(filled(f"type: '{name}'", seed=1), filled(f"type: '{name}'", seed=1))
    assert (filled(f"type: '{name}'", seed=1) != filled(f"type: '{name}'", seed=2)).any()


@pytest.mark.parametrize(
    ("text", "shape", "kind", "words"),
    [
        ("type: 'xaviar'", (2, 3), LayerError, "Unknown filler name: xaviar"),
        ("type: 'uniform' sparse: 2", (2, 3), LayerError, "sparse: 2 with filler 'uniform'"),
        ("type: 'gaussian' sparse: 3", (2, 3), LayerError, "sparse: 3 for 2 outputs"),
        ("type: 'gaussian' sparse: 0", (), LayerError, "sparse: 0 for 0 outputs"),
        ("type: 'gaussian' std: -1", (2, 3), LayerError, "std -1"),
        ("type: 'uniform' min: 2 max: 1", (2, 3), LayerError, "from 2 to 1"),
        ("type: 'bilinear'", (2, 3), ShapeError, r"shape \(2, 3\)"),
        ("type: 'bilinear'", (1, 1, 2, 3), ShapeError, r"shape \(1, 1, 2, 3\)"),
    ],
)
def test_what_makes_no_sense(text: str, shape: Shape, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=f"^layer 'it': .*{words}"):
        filled(text, shape)
    with pytest.raises(kind, match=f"^layer 'it': .*{words}"):
        fillers.check(parameter(text), shape, "layer 'it'")


def test_a_function_fills_too(rng: np.random.Generator) -> None:
    array = np.zeros((2, 3))

    def ones(values: np.ndarray) -> None:
        values[...] = 1

    fillers.check(ones, array.shape, "here")
    fillers.fill(array, ones, rng, "here")
    assert array.tolist() == [[1] * 3] * 2
