from __future__ import annotations

import math

import numpy as np
import pytest

from caffe_sdk.errors import SolverError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver.rates import POLICIES, learning_rate, next_step


def solver(text: str) -> SolverParameter:
    return prototxt.parse(text, SolverParameter)


def rate(text: str, iteration: int, step: int = 0) -> float:
    return learning_rate(solver(text), iteration, step)


@pytest.mark.parametrize(
    ("text", "iteration", "expected"),
    [
        ('lr_policy: "fixed" base_lr: 0.5', 1000, 0.5),
        ('lr_policy: "step" base_lr: 1 gamma: 0.5 stepsize: 10', 9, 1.0),
        ('lr_policy: "step" base_lr: 1 gamma: 0.5 stepsize: 10', 30, 0.125),
        ('lr_policy: "exp" base_lr: 2 gamma: 0.5', 3, 0.25),
        ('lr_policy: "inv" base_lr: 1 gamma: 1 power: 2', 3, 1 / 16),
        ('lr_policy: "poly" base_lr: 1 power: 2 max_iter: 10', 5, 0.25),
        ('lr_policy: "poly" base_lr: 1 power: 2 max_iter: 10', 11, 0.0),
        ('lr_policy: "sigmoid" base_lr: 1 gamma: 2 stepsize: 10', 10, 0.5),
        ('lr_policy: "sigmoid" base_lr: 1 gamma: 2 stepsize: 10', 100_000, 1.0),
    ],
)
def test_formulas(text: str, iteration: int, expected: float) -> None:
    assert rate(text, iteration) == pytest.approx(expected, rel=1e-6)


def test_multistep_moves_one_step_per_iteration_at_most() -> None:
    param = solver('lr_policy: "multistep" base_lr: 1 gamma: 0.1 stepvalue: [2, 3, 3]')
    step, seen = 0, []
    for iteration in range(6):
        step = next_step(param, iteration, step)
        seen.append(step)
    assert seen == [0, 0, 1, 2, 3, 3]
    assert learning_rate(param, 5, step) == pytest.approx(0.001)


def test_steps_stay_when_other_policies_name_stepvalues() -> None:
    assert next_step(solver('lr_policy: "fixed" stepvalue: 0'), 5, 0) == 0


def test_every_policy_needs_no_more_than_its_numbers() -> None:
    numbers = "base_lr: 0.1 gamma: 0.5 power: 0.5 stepsize: 3 stepvalue: 2 max_iter: 10"
    for name in POLICIES:
        assert 0 < rate(f'lr_policy: "{name}" {numbers}', 1) <= 0.1 + 1e-7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('lr_policy: "steps" base_lr: 1', "Unknown learning rate policy: steps; use one of exp, fixed, inv, multistep"),
        ("base_lr: 1", "no lr_policy is given"),
        ('lr_policy: "step" base_lr: 1 gamma: 0.1', "'step' with stepsize 0"),
        ('lr_policy: "exp" base_lr: 1 gamma: -1', "'exp' with gamma -1"),
        ('lr_policy: "poly" base_lr: 1 power: 1', "'poly' with max_iter 0"),
        ('lr_policy: "exp" base_lr: 1 gamma: 1e30', "learning rate of policy 'exp' is inf"),
        ('lr_policy: "fixed" base_lr: nan', "learning rate of policy 'fixed' is nan"),
    ],
)
def test_rates_that_are_none(text: str, words: str) -> None:
    with pytest.raises(SolverError, match=words):
        rate(text, 100)


@pytest.mark.parametrize("case", ["SGD_8", "SGD_9", "SGD_10", "SGD_12", "SGD_13", "AdaDelta_6", "Nesterov_5"])
def test_caffe_has_the_same_rates(case: str, shared) -> None:
    with np.load(shared / "golden" / "solvers" / f"{case}.npz") as golden:
        param = solver(str(golden["solver"]))
        rates = [learning_rate(param, iteration, 0) for iteration in range(20)]
        np.testing.assert_allclose(rates, golden["lr"], rtol=1e-6)


def test_a_policy_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "cosine", lambda param, i, step: param.base_lr * math.cos(i / param.max_iter))
    assert rate('lr_policy: "cosine" base_lr: 1 max_iter: 10', 10) == pytest.approx(math.cos(1))
