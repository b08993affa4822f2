"""Phases, levels and stages choose a net's layers."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import GraphError
from caffe_sdk.graph.state import filter_net, matches, net_state, without_layers
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter, NetState, NetStateRule

NET = """
layer { name: "both" type: "Input" top: "a" }
layer { name: "train" type: "Input" top: "b" include { phase: TRAIN } }
layer { name: "deploy" type: "Input" top: "c" include { stage: "deploy" } include { min_level: 2 } }
layer { name: "not_deploy" type: "Input" top: "d" exclude { stage: "deploy" } }
"""


def names(phase: int, level: int = 0, stages: tuple[str, ...] = ()) -> list[str]:
    net = prototxt.parse(NET, NetParameter)
    return [layer.name for layer in filter_net(net, net_state(net, phase, level, stages)).layer]


def test_phase_chooses() -> None:
    assert names(TRAIN) == ["both", "train", "not_deploy"]
    assert names(TEST) == ["both", "not_deploy"]


def test_any_include_rule_is_enough() -> None:
    assert names(TEST, stages=("deploy",)) == ["both", "deploy"]
    assert names(TEST, level=2) == ["both", "deploy", "not_deploy"]


def test_kept_layers_know_their_phase() -> None:
    net = prototxt.parse(NET, NetParameter)
    assert {layer.phase for layer in filter_net(net, net_state(net, TRAIN, 0, ())).layer} == {TRAIN}


def test_all_but_layers_is_copied() -> None:
    net = prototxt.parse('name: "n" input: "x" input_dim: 3 force_backward: true state { stage: "s" }', NetParameter)
    alone = NetParameter.FromString(net.SerializeToString())
    net.layer.add(name="a", type="Input")
    assert without_layers(net) == alone
    assert len(net.layer) == 1


def test_caller_state_goes_over_the_nets_own() -> None:
    net = prototxt.parse('state { phase: TRAIN level: 3 stage: "own" }', NetParameter)
    state = net_state(net, TEST, 0, ["asked", "own"])
    assert (state.phase, state.level, list(state.stage)) == (TEST, 3, ["own", "asked"])
    assert net_state(net, TEST, 5, []).level == 5


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("", True),
        ("phase: TEST", True),
        ("phase: TRAIN", False),
        ("min_level: 1", True),
        ("min_level: 2", False),
        ("max_level: 1", True),
        ("max_level: 0", False),
        ('stage: "x"', True),
        ('stage: "x" stage: "z"', False),
        ('not_stage: "z"', True),
        ('not_stage: "x"', False),
    ],
)
def test_rules(rule: str, holds: bool) -> None:
    state = NetState(phase=TEST, level=1, stage=["x", "y"])
    assert matches(prototxt.parse(rule, NetStateRule), state) is holds


def test_include_and_exclude_together_are_refused() -> None:
    net = prototxt.parse('layer { name: "l" include { phase: TRAIN } exclude { phase: TEST } }', NetParameter)
    with pytest.raises(GraphError, match=r"layer 'l': Specify either include rules or exclude rules; not both\."):
        filter_net(net, net_state(net, TEST, 0, ()))
