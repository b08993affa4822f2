"""Softmax over rows near and far, and labels that count or do not."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import DataError
from tests.engine.cuda.twins import agree, get, put, simulated, tensors


@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 300), 1), ((3, 7, 4, 2), 1), ((3, 1), 1), ((6, 2, 9), 0), ((0, 3), 1)]
)
def test_rows(shape, axis):
    def calls(engine, t):
        engine.softmax(t["x"], t["y"], axis)
        engine.softmax_grad(t["y"], t["dy"], t["dx"], axis)
        engine.softmax(t["x"], t["x"], axis)

    agree(dict.fromkeys(("x", "y", "dy", "dx"), shape), calls)


def test_large_and_odd_values():
    given = {"x": [1e38, -1e38, 3, np.nan, 1, 2, -np.inf, 0, -np.inf]}
    agree({"x": (3, 3), "y": (3, 3)}, lambda e, t: e.softmax(t["x"], t["y"], 1), given=given)


@pytest.mark.parametrize("normalization", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("ignore", [None, 2, -1])
def test_losses(ignore, normalization):
    label = np.random.default_rng(5).integers(0, 4, 800).astype(float)
    if ignore is not None:
        label[::7] = ignore

    def calls(engine, t):
        engine.softmax(t["x"], t["p"], 1)
        engine.softmax_loss(t["p"], t["l"], t["loss"], 1, ignore, normalization)
        engine.softmax_loss_grad(t["p"], t["l"], t["dloss"], t["dx"], 1, ignore, normalization)

    shape = (8, 4, 100)
    agree({"x": shape, "p": shape, "dx": shape, "l": (800,), "loss": (), "dloss": ()}, calls, given={"l": label})


def test_all_ignored_is_nothing():
    def calls(engine, t):
        engine.softmax_loss(t["p"], t["l"], t["loss"], 1, 1, "VALID")
        engine.softmax_loss(t["q"], t["k"], t["none"], 1, None, "VALID")

    agree({"p": (3, 2), "l": (3,), "loss": (), "q": (0, 2), "k": (0,), "none": ()}, calls, given={"l": [1, 1, 1]})


def test_a_fraction_of_a_label_is_cut_off_and_what_is_no_number_is_no_class():
    def loss(engine, t):
        engine.softmax_loss(t["p"], t["l"], t["loss"], 1, None, "VALID")

    shapes = {"p": (2, 3), "l": (2,), "loss": ()}
    agree(shapes, loss, given={"p": [0.2, 0.3, 0.5] * 2, "l": [1.9, -0.4]})
    engine, t = simulated(), tensors(shapes)
    put(t["l"], [np.nan, 0])
    loss(engine, t)
    with pytest.raises(DataError, match="label: nan is not one of 3 classes"):
        get(t["loss"])


@pytest.mark.parametrize("ignore", [None, 1])
@pytest.mark.parametrize("top_k", [1, 3, 2**40])
def test_accuracy(top_k, ignore):
    scores = np.random.default_rng(6).integers(0, 6, (50, 5, 3)).astype(float)
    scores[3, 2, 1] = np.nan
    label = np.random.default_rng(7).integers(0, 5, 150)

    def calls(engine, t):
        engine.accuracy(t["x"], t["l"], t["top"], t["each"], 1, top_k, ignore)
        engine.accuracy(t["x"], t["l"], t["alone"], None, 1, top_k, ignore)

    names = {"x": (50, 5, 3), "l": (150,), "top": (), "alone": (), "each": (5,)}
    agree(names, calls, given={"x": scores, "l": label})
