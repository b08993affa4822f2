"""Blobs and parameters of a graph: made without touching memory, shared where the graph says so."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.graph import build
from caffe_sdk.net import Net
from caffe_sdk.net.parts import Learnable, Parts
from caffe_sdk.schema.messages import TEST, TRAIN
from tests.net.models import CLASSIFIER, describe

SHARED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" lr_mult: 2 decay_mult: 3 }
        inner_product_param { num_output: 4 weight_filler { type: "gaussian" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } inner_product_param { num_output: 4 } }
"""


def parts_of(text: str) -> Parts:
    return Parts(build(describe(text), TRAIN), np.random.default_rng(0))


def test_nothing_is_allocated_until_somebody_looks() -> None:
    parts = parts_of(CLASSIFIER.replace("loss_weight", ""))
    loss = parts.blobs[-1].diff_memory
    assert sum(memory.allocated() for memory in parts.memories() if memory is not loss) == 0
    assert np.any(parts.parameters[0].data)
    assert not np.any(parts.parameters[1].data)


def test_gradients_that_are_passed_on_are_there_once() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 } } }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 4 } }
    layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 4 } }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" loss_weight: 1 }
    """
    parts = parts_of(text)
    blobs = {blob.name: blob for blob in parts.blobs}
    for batch in (2, 3):
        blobs["x"].reshape(batch, 4)
        parts.follow(0)
        assert blobs["a_a_0_split_1"].diff_memory is blobs["sum"].diff_memory
        assert blobs["sum"].diff_memory.count == 4 * batch
        assert blobs["b"].diff_memory is not blobs["sum"].diff_memory


def test_parameters_of_one_name_share_memory_and_learn_once() -> None:
    parts = parts_of(SHARED)
    first, _, second, _ = parts.parameters
    assert first.data_memory is second.data_memory
    assert first.diff_memory is second.diff_memory
    assert parts.learnable()[0] == Learnable(first, "a", 0, 2.0, 3.0)
    assert [(p.layer, p.index) for p in parts.learnable()] == [("a", 0), ("a", 1), ("b", 1)]


def test_shapes_follow_the_inputs() -> None:
    parts = parts_of(CLASSIFIER)
    assert not parts.follow(0)
    parts.blobs[0].reshape(9, 1, 8, 8)
    parts.blobs[1].reshape(9)
    assert parts.follow(0)
    assert {blob.shape[0] for blob in parts.blobs if blob.shape} == {9}
    assert not parts.follow(0)


def test_what_the_parameters_cannot_follow_is_an_error() -> None:
    parts = parts_of(SHARED)
    parts.blobs[0].reshape(2, 5)
    with pytest.raises(ShapeError, match=r"wants parameters of shape \(4, 5\), the net has \(4, 4\)"):
        parts.follow(0)


def test_an_unknown_filler_is_an_error_while_building() -> None:
    with pytest.raises(LayerError, match="Unknown filler name: gausian"):
        parts_of(SHARED.replace("gaussian", "gausian"))


def test_released_parts_hold_no_memory() -> None:
    parts = parts_of(SHARED)
    assert parts.parameters[0].data.any()
    parts.release()
    assert sum(memory.allocated() for memory in parts.memories()) == 0
    assert parts.blobs[0].shape == (2, 4)


def test_a_learned_blob_follows_the_parameter_it_is() -> None:
    text = """layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }
              layer { name: "s" type: "Power" bottom: "p" top: "y" power_param { scale: 2 } }"""
    owner, other = Net(describe(text), TRAIN), Net(describe(text), TEST)
    other.forward()
    other.share_with(owner)
    for value in (1, 5):
        owner.params["p"][0].data[...] = value
        assert other.forward()["y"].tolist() == [2 * value] * 3
