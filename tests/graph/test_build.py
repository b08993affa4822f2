"""A graph has every shape, every parameter and every error before any memory is touched."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import CaffeError, GraphError, LayerError, ShapeError
from caffe_sdk.graph import Graph, build
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } } '
LABEL = 'layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } } '
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
    "convolution_param { num_output: 4 kernel_size: 3 } } "
)
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" } '
FC = 'layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 5 } } '
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" } '


def graph_of(text: str, phase: int = TRAIN) -> Graph:
    return build(prototxt.parse(text, NetParameter), phase)


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {blob.name: blob.shape for blob in graph.blobs}


def test_shapes_and_parameters() -> None:
    graph = graph_of(INPUT + LABEL + CONV + RELU + FC + LOSS)
    assert shapes(graph) == {"data": (2, 3, 8, 8), "label": (2,), "conv": (2, 4, 6, 6), "fc": (2, 5), "loss": ()}
    assert [p.shape for p in graph.parameters] == [(4, 3, 3, 3), (4,), (5, 144), (5,)]
    assert [graph.blobs[i].name for i in graph.inputs] == ["data", "label"]
    assert [graph.blobs[i].name for i in graph.outputs] == ["loss"]


def test_outputs_are_in_alphabetical_order() -> None:
    graph = graph_of(INPUT.replace('"data"', '"z"') + LABEL)
    assert [graph.blobs[i].name for i in graph.outputs] == ["label", "z"]


def test_in_place_layers_make_no_blob() -> None:
    graph = graph_of(INPUT + CONV + RELU)
    assert graph.nodes[2].bottoms == graph.nodes[2].tops


def shared(second: str) -> str:
    first = (
        'layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" '
        'param { name: "w" lr_mult: 2 } inner_product_param { num_output: 4 } } '
    )
    return INPUT + first + second


def test_parameters_of_one_name_are_one() -> None:
    graph = graph_of(
        shared(
            FC.replace('"conv"', '"data"').replace(
                "inner_product_param { num_output: 5", 'param { name: "w" } inner_product_param { num_output: 4'
            )
        )
    )
    assert [p.owner for p in graph.parameters] == [0, 1, 0, 3]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (
            'param { name: "w" } inner_product_param { num_output: 5 }',
            "Cannot share param 'w' owned by layer 'a' with layer 'b'; shape mismatch",
        ),
        ('param { name: "w" share_mode: PERMISSIVE } inner_product_param { num_output: 5 }', "count mismatch"),
        (
            'param { name: "w" lr_mult: 3 } inner_product_param { num_output: 4 }',
            "Shared param 'w' has mismatched lr_mult",
        ),
    ],
)
def test_sharing_that_does_not_fit(second: str, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        graph_of(shared(f'layer {{ name: "b" type: "InnerProduct" bottom: "data" top: "b" {second} }}'))


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (INPUT + FC, GraphError, r"Unknown bottom blob 'conv' \(layer 'fc', bottom index 0\)"),
        (INPUT + INPUT, GraphError, "Top blob 'data' produced by multiple sources."),
        (INPUT.replace("top:", 'top: "data" top:'), GraphError, "layer 'data': Top blob 'data' produced by multiple"),
        (
            'layer { name: "x" type: "Convolutoin" }',
            LayerError,
            "Unknown layer type: Convolutoin .*did you mean Convolution",
        ),
        (
            INPUT + CONV.replace("kernel_size: 3", "kernel_size: 11"),
            ShapeError,
            r"kernel \(11, 11\) does not fit input \(8, 8\)",
        ),
        (
            INPUT + CONV.replace("kernel_size: 3", "kernel_size: 3 } param { } param { } param { "),
            LayerError,
            "Too many params",
        ),
        (INPUT + RELU.replace('"conv"', '"data"').replace("ReLU", "SoftmaxWithLoss"), LayerError, "has 1 bottoms"),
        (
            INPUT + CONV.replace("convolution_param", "propagate_down: true propagate_down: true convolution_param"),
            LayerError,
            "propagate_down",
        ),
        (INPUT.replace("dim: 8", "dim: 99999999"), CaffeError, "values"),
    ],
)
def test_errors_name_the_place(text: str, kind: type[CaffeError], words: str) -> None:
    with pytest.raises(kind, match=words):
        graph_of(text, TEST)
