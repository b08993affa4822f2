"""What every layer shares: the registry, arity, axes, loss weights, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from caffe_sdk.blob import Blob
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.layers import REGISTRY, Arity, Layer, create, exactly, layer
from caffe_sdk.layers.base import fitted
from caffe_sdk.schema.messages import TRAIN, LayerParameter
from tests.layers.making import made


@pytest.fixture(autouse=True)
def _registry_as_before() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def test_registered_class_is_found_by_its_type() -> None:
    @layer("Twice")
    class Twice(Layer):
        """y = 2 x"""

    assert Twice.type == "Twice"
    twice = made("Twice")
    assert isinstance(twice, Twice)
    assert twice.shapes([(2, 3)]) == [(2, 3)]
    assert twice.parameters([(2, 3)]) == []
    assert twice.state() == {}
    assert twice.training
    assert repr(twice) == "<Layer 'it' Twice>"
    for call in (lambda: twice.forward(None, [], []), lambda: twice.backward(None, [], [], [])):  # type: ignore[arg-type]
        with pytest.raises(NotImplementedError):
            call()
    twice.restore_state({})
    twice.close()


def test_unknown_type_offers_the_nearest() -> None:
    with pytest.raises(
        LayerError, match=r"^layer 'it': Unknown layer type: Convolutoin \(known types: .*\); did you me"
    ):
        made("Convolutoin")
    with pytest.raises(LayerError, match=r"Unknown layer type: Qqq .*; fix 'type'"):
        made("Qqq")


@pytest.mark.parametrize(
    ("kind", "bottoms", "tops", "words"),
    [
        ("ReLU", 2, 1, r"^layer 'it' \(ReLU\): has 2 bottoms; ReLU takes 1$"),
        ("ReLU", 1, 0, "has 0 tops; ReLU takes 1"),
        ("Accuracy", 2, 3, "has 3 tops; Accuracy takes 1 to 2"),
        ("Eltwise", 1, 1, "has 1 bottoms; Eltwise takes 2 or more"),
        ("Convolution", 2, 1, "has 2 bottoms and 1 tops; give as many tops as bottoms"),
        ("Silence", 1, 1, "has 1 tops; Silence takes 0"),
        ("Input", 1, 1, "has 1 bottoms; Input takes 0"),
    ],
)
def test_arity(kind: str, bottoms: int, tops: int, words: str) -> None:
    text = "convolution_param { num_output: 1 kernel_size: 1 }" if kind == "Convolution" else ""
    with pytest.raises(LayerError, match=words):
        made(kind, text, bottoms, tops)


def test_in_place_only_where_it_may_be() -> None:
    def config(kind: str) -> Any:
        return LayerParameter(name="it", type=kind, bottom=["a", "b"][: 1 + (kind == "Eltwise")], top=["a"])

    assert create(config("ReLU"), TRAIN).in_place
    for kind in ("Eltwise", "Flatten", "LRN"):
        with pytest.raises(LayerError, match=rf"^layer 'it' \({kind}\): cannot compute 'a' in place"):
            create(config(kind), TRAIN)


def test_loss_layers_may_leave_their_top_to_the_net() -> None:
    assert made("SoftmaxWithLoss", bottoms=2, tops=0).auto_tops == 1


def test_arity_says_what_fits() -> None:
    assert [str(a) for a in (exactly(2), Arity(1, 3), Arity(1, None))] == ["2", "1 to 3", "1 or more"]
    assert [Arity(1, 3).fits(n) for n in range(5)] == [False, True, True, True, False]


def test_loss_weights() -> None:
    assert made("SoftmaxWithLoss", bottoms=2, tops=2).loss_weights(2) == [1, 0]
    assert made("SoftmaxWithLoss", "loss_weight: 0.5", bottoms=2).loss_weights(1) == [0.5]
    assert made("ReLU").loss_weights(1) == [0]
    assert made("ReLU", "loss_weight: 2").loss_weights(1) == [2]
    with pytest.raises(LayerError, match="loss_weight is given 2 times for 1 tops"):
        made("ReLU", "loss_weight: 1 loss_weight: 2").loss_weights(1)


def test_axes_may_count_from_the_end() -> None:
    relu = made("ReLU")
    assert [relu.axis(i, 4) for i in (0, 3, -1, -4)] == [0, 3, 3, 0]
    for index in (4, -5):
        with pytest.raises(ShapeError, match=rf"axis {index} is not one of 4 axes; use -4 to 3"):
            relu.axis(index, 4)


def test_parameters_that_are_not_there_or_not_wanted() -> None:
    layer: Any = made("InnerProduct", "inner_product_param { num_output: 2 }")
    layer.blobs, layer.param_needs = [Blob((2, 3)), Blob((2,))], [True, False]
    assert layer.parameter(1).memory is layer.blobs[1].data_memory
    assert layer.parameter(2) is None
    assert layer.gradient(0).memory is layer.blobs[0].diff_memory
    assert layer.gradient(1) is None
    assert layer.gradient(2) is None


def test_buffers_are_kept_while_they_fit() -> None:
    blob = Blob((2, 3), np.float64)
    first = fitted(None, blob)
    assert first.memory.dtype == np.float64
    assert fitted(first, blob) is first
    blob.reshape(3, 2)
    second = fitted(first, blob, np.int32)
    assert second.shape == (3, 2)
    assert second.memory.dtype == np.int32


def test_options_are_json() -> None:
    def options(text: str) -> dict[str, Any]:
        return made("ReLU", f"python_param {{ param_str: '{text}' }}").options

    assert options('{"start": 2}') == {"start": 2}
    assert made("ReLU").options == {}
    with pytest.raises(LayerError, match=r"param_str '\[1\]' is no JSON object; write it as"):
        options("[1]")
    with pytest.raises(LayerError, match="param_str 'start: 2' is no JSON: Expecting value"):
        options("start: 2")
