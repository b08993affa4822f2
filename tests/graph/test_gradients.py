"""Backward runs where something learns and the loss depends on it, and nowhere else."""

from __future__ import annotations

from caffe_sdk.graph import build
from caffe_sdk.graph.gradients import decide_gradients
from caffe_sdk.graph.model import Graph, Node
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TRAIN, NetParameter
from tests.graph.test_build import CONV, FC, INPUT, LABEL, LOSS, RELU


def needs(text: str) -> tuple[list[bool], list[list[bool]]]:
    """Which layers run backward, and to which of their bottoms."""
    graph = build(prototxt.parse(text, NetParameter), TRAIN)
    return [node.needs for node in graph.nodes], [node.bottom_needs for node in graph.nodes]


def test_from_what_learns_to_the_loss() -> None:
    layers, bottoms = needs(INPUT + LABEL + CONV + RELU + FC + LOSS)
    assert layers == [False, False, True, True, True, True]
    assert bottoms == [[], [], [False], [True], [True], [True, False]]


def test_nothing_without_a_loss() -> None:
    assert not any(needs(INPUT + CONV + RELU + FC)[0])


def test_a_branch_beside_the_loss_does_not_run_backward() -> None:
    accuracy = 'layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" } '
    layers, _ = needs(INPUT + LABEL + CONV + RELU + FC + LOSS + accuracy)
    assert layers == [False, False, False, True, True, True, True, True, False]


def test_force_backward_reaches_inputs_but_not_labels() -> None:
    layers, bottoms = needs("force_backward: true " + INPUT + LABEL + CONV + RELU + FC + LOSS)
    assert all(layers)
    assert bottoms[2:] == [[True], [True], [True], [True, False]]


def test_frozen_parameters_stop_it() -> None:
    frozen = CONV.replace("convolution_param", "param { lr_mult: 0 } param { lr_mult: 0 } convolution_param")
    layers, _ = needs(INPUT + LABEL + frozen + RELU + FC + LOSS)
    assert layers == [False, False, False, False, True, True]


def test_propagate_down_false_stops_it() -> None:
    stopped = FC.replace("inner_product_param", "propagate_down: false inner_product_param")
    layers, _ = needs(INPUT + LABEL + CONV + RELU + stopped + LOSS)
    assert layers == [False, False, False, False, True, True]


def test_sums_pass_gradients_on_to_splits_alone() -> None:
    text = (
        INPUT
        + LABEL
        + CONV
        + 'layer { name: "twice" type: "Eltwise" bottom: "conv" bottom: "conv" top: "twice" } '
        + 'layer { name: "less" type: "Eltwise" bottom: "twice" bottom: "conv" top: "less" '
        + "eltwise_param { coeff: 1 coeff: -1 } } "
        + FC.replace('bottom: "conv"', 'bottom: "less"')
        + LOSS
    )
    graph = build(prototxt.parse(text, NetParameter), TRAIN)
    passed = {node.layer.name: [graph.blobs[b].name for b in node.passes] for node in graph.nodes if node.passes}
    assert passed == {"twice": ["conv_conv_0_split_0", "conv_conv_0_split_1"]}


def test_deciding_again_changes_nothing() -> None:
    graph: Graph = build(prototxt.parse(INPUT + LABEL + CONV + FC + LOSS, NetParameter), TRAIN)
    nodes: list[Node] = graph.nodes
    before = [(node.needs, node.bottom_needs) for node in nodes]
    decide_gradients(graph)
    assert [(node.needs, node.bottom_needs) for node in nodes] == before
