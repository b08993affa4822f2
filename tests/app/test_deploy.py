"""Nets to train become nets to use, and the other way round."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format

import caffe_sdk as caffe
from caffe_sdk.app.deploy import score_blob, to_train, to_use
from caffe_sdk.errors import ArgumentError
from caffe_sdk.proto import caffe_pb2
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

IP = 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }'
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }'
LOSS = 'layer { name: "cost" type: "SoftmaxWithLoss" bottom: "ip" bottom: "truth" top: "cost" }'
SCORE = 'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "truth" top: "acc" include { phase: TEST } }'


def source(name: str, phase: str) -> str:
    tops = 'top: "data" top: "truth"'
    return f'layer {{ name: "{name}" type: "Data" {tops} include {{ phase: {phase} }} data_param {{ source: "x" }} }}'


INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }'


def net(*layers: str) -> Any:
    return prototxt.parse("\n".join(layers), NetParameter)


def shown(config: Any) -> list[tuple[str, str, list[str], list[str]]]:
    return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in config.layer]


def test_data_layers_of_both_phases_give_way() -> None:
    config = net(source("a", "TRAIN"), source("b", "TEST"), IP, SCORE, LOSS)
    trained = to_train(config, (8, 3), (8,))
    assert shown(trained) == [
        ("data", "Input", [], ["data"]),
        ("truth", "Input", [], ["truth"]),
        ("ip", "InnerProduct", ["data"], ["ip"]),
        ("acc", "Accuracy", ["ip", "truth"], ["acc"]),
        ("cost", "SoftmaxWithLoss", ["ip", "truth"], ["cost"]),
    ]
    assert [list(layer.input_param.shape[0].dim) for layer in trained.layer[:2]] == [[8, 3], [8]]
    assert score_blob(trained) == "ip"
    assert shown(to_use(trained, (2, 3))) == shown(to_use(config, (2, 3)))
    assert shown(to_use(trained, (2, 3))) == [
        ("data", "Input", [], ["data"]),
        ("ip", "InnerProduct", ["data"], ["ip"]),
        ("prob", "Softmax", ["ip"], ["prob"]),
    ]


@pytest.mark.parametrize("layers", [(INPUT, IP), (INPUT, IP, SOFTMAX)])
def test_a_net_for_use_gets_a_loss(layers: tuple[str, ...]) -> None:
    trained = to_train(net(*layers), (8, 3), (8,))
    assert shown(trained)[2:] == [
        ("ip", "InnerProduct", ["data"], ["ip"]),
        ("loss", "SoftmaxWithLoss", ["ip", "label"], ["loss"]),
    ]
    with caffe.Net(to_message(trained), caffe.TRAIN) as built:
        built.forward_backward()


def test_other_targets_get_a_distance() -> None:
    trained = to_train(net(INPUT, IP), (8, 3), (8, 4))
    assert shown(trained)[-1] == ("loss", "EuclideanLoss", ["ip", "label"], ["loss"])
    assert score_blob(trained) is None
    assert shown(to_use(trained, (1, 3)))[-1] == ("ip", "InnerProduct", ["data"], ["ip"])


def test_names_that_are_taken() -> None:
    other = (
        'layer { name: "prob" type: "InnerProduct" bottom: "data" top: "prob" inner_product_param { num_output: 2 } }'
    )
    named = to_use(net(source("a", "TRAIN"), other, LOSS.replace('"ip"', '"prob"')), (1, 3))
    assert shown(named)[-1] == ("prob2", "Softmax", ["prob"], ["prob2"])


def test_a_net_without_data() -> None:
    with pytest.raises(ArgumentError, match="no layer brings data"):
        to_use(net(IP), (1, 3))


def to_message(config: Any) -> Any:
    return text_format.Parse(str(config), caffe_pb2.NetParameter())
