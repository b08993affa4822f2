"""Rules are values: alike where their numbers are, so that updates by them can be put together."""

from __future__ import annotations

from typing import get_args

from caffe_sdk.engine.rules import Adam, Rule, Sgd, Step


def test_rules_are_values() -> None:
    assert Sgd(0.9) == Sgd(0.9) != Sgd(0.5)
    assert len({Adam(0.9, 0.99, 1e-8), Adam(0.9, 0.99, 1e-8), Sgd(0.9)}) == 2
    assert Step(0.1) == Step(0.1, 0.0, False, 1.0)


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in get_args(Rule)]
    assert len(set(names)) == len(names) == 6
