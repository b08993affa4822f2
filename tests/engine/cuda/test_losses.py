"""Losses over more values than a block has, and labels that are none."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import DataError
from tests.engine.cuda.twins import agree, get, put, simulated, tensors

SHAPE = (40, 30)
NAMES = {"x": SHAPE, "t": SHAPE, "dx": SHAPE, "l": (40,), "loss": (), "dloss": (), "m": (30, 30)}
LABELS = np.random.default_rng(5).integers(0, 30, 40)


def test_of_values():
    def calls(engine, t):
        engine.euclidean_loss(t["x"], t["t"], t["loss"])
        engine.euclidean_loss_grad(t["x"], t["t"], t["loss"], t["dx"])

    agree(NAMES, calls)


@pytest.mark.parametrize("normalization", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("ignore", [None, 1])
def test_of_sigmoids(ignore, normalization):
    def calls(engine, t):
        engine.sigmoid_loss(t["x"], t["t"], t["loss"], ignore, normalization)
        engine.sigmoid_loss_grad(t["x"], t["t"], t["dloss"], t["dx"], ignore, normalization)

    agree(NAMES, calls, given={"t": np.random.default_rng(5).integers(0, 2, SHAPE)})


@pytest.mark.parametrize("squared", [False, True])
def test_of_margins(squared):
    def calls(engine, t):
        engine.hinge_loss(t["x"], t["l"], t["loss"], squared)
        engine.hinge_loss_grad(t["x"], t["l"], t["dloss"], t["dx"], squared)

    agree(NAMES, calls, given={"l": LABELS})


@pytest.mark.parametrize("ignore", [None, 3])
def test_of_probabilities(ignore):
    def calls(engine, t):
        engine.multinomial_loss(t["x"], t["l"], t["loss"])
        engine.multinomial_loss_grad(t["x"], t["l"], t["dloss"], t["dx"])
        engine.infogain_loss(t["x"], t["l"], t["m"], t["loss"], 1, ignore, "VALID")
        engine.infogain_loss_grad(t["x"], t["l"], t["m"], t["dloss"], t["dx"], 1, ignore, "VALID")

    agree(NAMES, calls, given={"l": LABELS, "x": np.random.default_rng(8).random(SHAPE) + 0.01})


@pytest.mark.parametrize("legacy", [False, True])
def test_of_pairs(legacy):
    def calls(engine, t):
        engine.contrastive_loss(t["x"], t["t"], t["l"], t["loss"], 8.0, legacy)
        engine.contrastive_loss_grad(t["x"], t["t"], t["l"], t["dloss"], t["dx"], 8.0, legacy)

    agree(NAMES, calls, given={"l": LABELS % 2})


def test_a_label_that_is_none():
    for name in ("hinge_loss", "multinomial_loss"):
        engine, t = simulated(), tensors(NAMES)
        put(t["l"], LABELS - 1)
        getattr(engine, name)(t["x"], t["l"], t["loss"], *([False] if name == "hinge_loss" else []))
        with pytest.raises(DataError, match="label: -1 is not one of 30 classes"):
            get(t["loss"])


def test_nothing():
    def calls(engine, t):
        engine.euclidean_loss(t["x"], t["x"], t["loss"])
        engine.hinge_loss(t["x"], t["l"], t["loss"], False)
        engine.contrastive_loss(t["x"], t["x"], t["l"], t["loss"], 1.0, False)

    agree({"x": (0, 3), "l": (0,), "loss": ()}, calls)
