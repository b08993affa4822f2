"""A net's cost is known without building it, and is what a net that runs takes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from caffe_sdk.engine import use
from caffe_sdk.graph import build, cost
from caffe_sdk.memory import SyncedMemory
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter
from tests.cases.case import Case, Trial
from tests.cases.table import CASES

BRANCHES = """
name: "branches"
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 0 }
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask"
        pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "a" type: "InnerProduct" bottom: "flat" top: "a" param { name: "w" }
        inner_product_param { num_output: 5 } }
layer { name: "b" type: "InnerProduct" bottom: "flat" top: "b" param { name: "w" }
        inner_product_param { num_output: 5 } }
layer { name: "learned" type: "Parameter" top: "learned" parameter_param { shape { dim: 4 dim: 5 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" bottom: "learned" top: "sum" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "label" top: "loss" top: "prob" }
layer { name: "accuracy" type: "Accuracy" bottom: "sum" bottom: "label" top: "accuracy" }
"""
SEQUENCE = """
force_backward: true
layer { name: "data" type: "Input" top: "x" top: "cont"
        input_param { shape { dim: 4 dim: 3 dim: 8 } shape { dim: 4 dim: 3 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h" recurrent_param { num_output: 5 } }
layer { name: "reshape" type: "Reshape" bottom: "h" top: "rows" reshape_param { shape { dim: 12 dim: 5 } } }
layer { name: "slice" type: "Slice" bottom: "rows" top: "first" top: "second" slice_param { axis: 0 } }
layer { name: "relu" type: "ReLU" bottom: "first" top: "first" }
"""


def taken(memories: Iterable[SyncedMemory]) -> int:
    """Bytes that memories take, each counted once."""
    return sum(memory.allocated() for memory in set(memories))


@pytest.mark.parametrize("text", [BRANCHES, SEQUENCE], ids=["branches", "sequence"])
def test_bytes_are_what_a_run_takes(text: str) -> None:
    with use("reference"), Net(prototxt.parse(text, NetParameter), TRAIN) as net:
        found = cost(net.graph)
        parts = net._parts
        assert taken(blob.data_memory for blob in (*parts.blobs, *parts.parameters)) == 0
        net.forward_backward()
        parameters = {blob.data_memory for blob in parts.parameters}
        assert found.parameter_data == taken(parameters)
        assert found.parameter_diff == taken(blob.diff_memory for blob in parts.parameters)
        assert found.activations == taken({blob.data_memory for blob in parts.blobs} - parameters)
        assert found.gradients == taken(blob.diff_memory for blob in parts.blobs)
        assert found.total == taken(parts.memories())


def test_what_is_shared_counts_once() -> None:
    found = cost(build(prototxt.parse(BRANCHES, NetParameter), TRAIN))
    layers = {layer.name: layer for layer in found.layers}
    assert layers["a"].parameters == 36 * 5 + 5
    assert layers["b"].parameters == 5
    assert (layers["relu"].memory, layers["flat"].memory) == (0, 0)
    assert layers["learned"].memory == 4 * 20
    assert found.parameters == 4 * 27 + 4 + 36 * 5 + 5 + 5 + 20
    assert sum(layer.memory for layer in found.layers) == found.forward == found.parameter_data + found.activations


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 2 }", [(2, 6, 5, 4)]), 1296),
        (Case("Convolution", "convolution_param { num_output: 3 kernel_size: 2 }", [(2, 2, 4, 4)] * 2, tops=2), 864),
        (Case("Deconvolution", "convolution_param { num_output: 4 kernel_size: 3 }", [(2, 6, 5, 4)]), 8640),
        (Case("InnerProduct", "inner_product_param { num_output: 3 axis: -1 transpose: true }", [(2, 3, 5)]), 90),
        (Case("LSTM", "recurrent_param { num_output: 2 }", [(4, 3, 5), (4, 3)]), 12 * (8 * 5 + 8 * 2)),
        (
            Case("LSTM", "recurrent_param { num_output: 2 }", [(4, 3, 5), (4, 3), (3, 7)]),
            12 * (8 * 5 + 8 * 2) + 3 * 8 * 7,
        ),
        (Case("RNN", "recurrent_param { num_output: 2 }", [(4, 3, 5), (4, 3)]), 12 * (2 * 5 + 2 * 2 + 2 * 2)),
        (Case("ReLU"), 0),
    ],
    ids=str,
)
def test_multiply_adds(case: Case, expected: int) -> None:
    assert Trial(case, engine=None).layer.multiply_adds(case.bottoms) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("case", [case for case in CASES if case.bottoms], ids=str)
def test_layers_share_what_they_say(case: Case) -> None:
    trial = Trial(case, engine=None)  # type: ignore[arg-type]
    bottom = trial.bottom[0]
    for top in trial.top:
        assert (top.data_memory is bottom.data_memory) == trial.layer.shares_data
        assert (top.diff_memory is bottom.diff_memory) == trial.layer.shares_diff


def test_a_known_net() -> None:
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 227 dim: 227 } } }
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
            convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }
    """
    found = cost(build(prototxt.parse(text, NetParameter), TEST))
    assert found.parameters == 96 * 3 * 11 * 11 + 96
    assert found.multiply_adds == 10 * 96 * 55 * 55 * 3 * 11 * 11
    assert found.activations == 4 * 10 * (3 * 227 * 227 + 96 * 55 * 55)
    assert (found.parameter_diff, found.gradients) == (0, 0)
