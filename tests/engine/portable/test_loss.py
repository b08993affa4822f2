"""The multinomial loss in one pass, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.portable.loops import losses
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DataError
from caffe_sdk.memory import HOST, new_tensor

CASES = [((5, 10), 1), ((1, 1000), 1), ((2, 4, 3, 5), 1), ((3, 2, 6), 2), ((7,), 0), ((0, 10), 1)]


def twins(shape, axis, labels=None, dtype=np.float32):
    rng = np.random.default_rng(1)
    scores = rng.random(shape)
    prob = scores / scores.sum(axis=axis, keepdims=True)
    places = prob.size // shape[axis]
    labels = rng.integers(0, shape[axis], places) if labels is None else labels
    made = []
    for _ in range(2):
        t = {"prob": new_tensor(shape, dtype), "label": new_tensor((places,), dtype), "loss": new_tensor((), dtype)}
        t |= {"dloss": new_tensor((), dtype), "dx": new_tensor(shape, dtype)}
        t["prob"].memory.write(HOST)[...] = prob.ravel()
        t["label"].memory.write(HOST)[...] = labels
        t["dloss"].memory.write(HOST)[...] = 0.7
        made.append(t)
    return made


def compute(engine, t, axis, ignored=None, normalization="VALID"):
    engine.softmax_loss(t["prob"], t["label"], t["loss"], axis, ignored, normalization)
    engine.softmax_loss_grad(t["prob"], t["label"], t["dloss"], t["dx"], axis, ignored, normalization)


def agree(twins, *arguments):
    t, expected = twins
    compute(CpuEngine(), t, *arguments)
    compute(ReferenceEngine(), expected, *arguments)
    for name in ("loss", "dx"):
        np.testing.assert_allclose(t[name].memory.read(HOST), expected[name].memory.read(HOST), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalization", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("ignored", [None, 2, -1])
@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_loss_and_gradient(shape, axis, ignored, normalization):
    agree(twins(shape, axis), axis, ignored, normalization)


def test_float64():
    agree(twins((4, 5), 1, dtype=np.float64), 1)


def test_every_label_ignored():
    agree(twins((3, 5), 1, labels=[255, 255, 255]), 1, 255)


def test_labels_between_whole_numbers():
    agree(twins((3, 5), 1, labels=[1.9, -0.5, 4.2]), 1)


def test_a_probability_of_0_and_one_that_is_no_number():
    pair = twins((3, 5), 1, labels=[0, 1, 2])
    for t in pair:
        t["prob"].memory.update(HOST)[0] = 0
    agree(pair, 1)
    for t in pair:
        t["prob"].memory.update(HOST)[6] = np.nan
    agree(pair, 1)
    assert np.isnan(pair[0]["loss"].memory.read(HOST)[0])


@pytest.mark.parametrize("label", [5, -1, 1e30, np.nan, -np.inf])
def test_a_label_that_is_no_class(label):
    t, _ = twins((3, 5), 1, labels=[0, label, 2])
    for method in ("softmax_loss", "softmax_loss_grad"):
        more = {"loss": t["loss"]} if method == "softmax_loss" else {"dloss": t["dloss"], "dx": t["dx"]}
        with pytest.raises(DataError, match="is not one of 5 classes"):
            getattr(CpuEngine(), method)(
                prob=t["prob"], label=t["label"], axis=1, ignore_label=None, normalization="VALID", **more
            )


def test_gradient_in_place_of_the_probabilities():
    t, expected = twins((3, 5), 1)
    for engine, each in ((CpuEngine(), t), (ReferenceEngine(), expected)):
        engine.softmax_loss_grad(each["prob"], each["label"], each["dloss"], each["prob"], 1, None, "VALID")
    np.testing.assert_allclose(t["prob"].memory.read(HOST), expected["prob"].memory.read(HOST), rtol=1e-5)


def test_without_numba(monkeypatch):
    monkeypatch.setattr(conditions, "HAS_NUMBA", False)
    agree(twins((4, 5), 1), 1)


def test_classes_that_labels_name():
    named = [losses.class_of(label, 5, 3.0) for label in (0.0, 4.9, -0.5, 3.0, 5.0, -1.0, np.nan)]
    assert named == [0, 4, 0, losses.IGNORED, losses.WRONG, losses.WRONG, losses.WRONG]
