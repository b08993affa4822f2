"""Which output is watched, and what counts as better."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.solver.events import Output, Tested
from caffe_sdk.solver.watch import Best, Watch
from tests.solver.models import SGD, TESTED, linear


@pytest.fixture
def test_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    monkeypatch.chdir(tmp_path)
    return linear(tmp_path, SGD + TESTED).test_nets


def measured(iteration: int, accuracy: float, loss: float = 1, net: int = 0) -> Tested:
    return Tested(iteration, net, (Output("accuracy", accuracy, 0), Output("loss", loss, 0.5)))


@pytest.mark.parametrize(
    ("wanted", "name", "sign"),
    [
        ("", "accuracy", 1),
        ("accuracy", "accuracy", 1),
        ("accuracy:min", "accuracy", -1),
        ("loss", "loss", -1),
        (":max", "accuracy", 1),
    ],
)
def test_what_is_watched_and_what_is_better(wanted: str, name: str, sign: int, test_nets: list) -> None:
    watch = Watch(wanted, test_nets)
    assert (watch.name, watch.sign, watch.net_index) == (name, sign, 0)


def test_the_best_and_the_tests_since(test_nets: list) -> None:
    watch = Watch("", test_nets)
    seen = [watch.see(measured(i, value)) for i, value in enumerate((0.5, 0.7, 0.7, 0.6))]
    assert seen == [True, True, False, False]
    assert watch.best == Best(0.7, 1, 2)
    assert watch.see(measured(9, 0.8))
    assert watch.best == Best(0.8, 9, 0)


def test_a_loss_is_the_sum_of_weighted_losses_and_better_when_less(test_nets: list) -> None:
    watch = Watch("loss", test_nets)
    assert watch.see(measured(1, 0, 3))
    assert not watch.see(measured(2, 0, 4))
    assert watch.best == Best(1.5, 1, 1)


def test_other_nets_interruptions_and_what_is_no_number(test_nets: list) -> None:
    watch = Watch("", test_nets)
    assert not watch.see(measured(1, 0.9, net=1))
    assert not watch.see(Tested(1, 0, (), interrupted=True))
    assert watch.best is None
    assert watch.see(measured(1, math.nan))
    assert watch.see(measured(2, 0.1))
    assert not watch.see(measured(3, math.nan))


def test_states_go_through_json(test_nets: list) -> None:
    watch, other = Watch("", test_nets), Watch("", test_nets)
    other.see(measured(1, 0.7))
    other.restore_state(json.loads(json.dumps(watch.state())))
    assert other.best is None
    watch.see(measured(1, 0.5))
    other.restore_state(json.loads(json.dumps(watch.state())))
    assert other.best == watch.best


def test_what_cannot_be_watched(test_nets: list) -> None:
    for wanted in ("acuracy", "accuracy:best"):
        with pytest.raises(ArgumentError, match=f"watch: '{wanted}' is no output .*use one of accuracy, loss, with"):
            Watch(wanted, test_nets)
    with pytest.raises(ArgumentError, match="watch: 'loss' is no output of a test net; give the solver a test net"):
        Watch("", [])
