from __future__ import annotations

import math

import numpy as np
import pytest

from caffe_sdk.errors import SolverError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver.rates import POLICIES, Course, advance, learning_rate


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


def steps(param: SolverParameter, losses: list[float]) -> list[int]:
    """The step at each iteration of a training with these losses."""
    course, seen = Course(), []
    for iteration, loss in enumerate(losses):
        course = advance(param, iteration, course, loss)
        seen.append(course.step)
    return seen


def test_multistep_moves_one_step_per_iteration_at_most() -> None:
    param = solver('lr_policy: "multistep" base_lr: 1 gamma: 0.1 stepvalue: [2, 3, 3]')
    assert steps(param, [0] * 6) == [0, 0, 1, 2, 3, 3]
    assert learning_rate(param, 5, 3) == pytest.approx(0.001)


def test_steps_stay_when_other_policies_name_stepvalues() -> None:
    param = solver('lr_policy: "fixed" stepvalue: 0 plateau_winsize: 1')
    assert advance(param, 5, Course(), 1) == Course()


def test_plateau_drops_when_the_loss_gets_no_smaller() -> None:
    """As in the SSD fork: a smaller loss and a drop both begin the window anew; each step has its own."""
    param = solver('lr_policy: "plateau" base_lr: 1 gamma: 0.1 plateau_winsize: [2, 3]')
    losses = [5, 4, 4, 4, 3, 3, 3, 3, 3, 3]
    assert steps(param, losses) == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert learning_rate(param, 9, 2) == pytest.approx(0.01)


def test_plateau_compares_in_single_precision_as_the_solverstate_holds_it() -> None:
    param = solver('lr_policy: "plateau" base_lr: 1 plateau_winsize: 9')
    course = advance(param, 3, Course(), 0.1)
    assert course == Course(0, float(np.float32(0.1)), 3)
    assert advance(param, 4, course, 0.1 - 1e-12) == course


def test_warm_ups() -> None:
    even = 'base_lr: 1 warmup_iter: 4 warmup_start_lr: 0.2 lr_policy: "multistep" gamma: 0.5 stepvalue: 2'
    square = 'base_lr: 1 rampup_interval: 4 rampup_lr: 0.2 lr_policy: "step" gamma: 0.5 stepsize: 5'
    assert [rate(even, i) for i in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert [rate(square, i) for i in range(6)] == pytest.approx([0.2, 0.25, 0.4, 0.65, 1, 0.5])
    assert steps(solver(even), [0] * 6) == [0, 0, 0, 0, 1, 1]  # a step that falls into the warm-up comes after it


def test_stages() -> None:
    text = 'lr_policy: "multifixed" stagelr: [0.1, 0.5, 0.2] stageiter: [1, 3, 4]'
    assert [rate(text, i) for i in range(7)] == pytest.approx([0.1, 0.1, 0.5, 0.5, 0.2, 0.2, 0.2])


def test_a_rate_that_falls_no_further() -> None:
    text = "base_lr: 1 min_lr: 0.1 gamma: 0.1 power: 1 max_iter: 9 stepsize: 2 "
    assert [rate(text + 'lr_policy: "step"', i) for i in (0, 2, 4, 99)] == pytest.approx([1, 0.1, 0.1, 0.1])
    assert [rate(text + 'lr_policy: "poly"', i) for i in (0, 3, 9, 99)] == pytest.approx([1, 0.7, 0.1, 0.1])


def test_every_policy_needs_no_more_than_its_numbers() -> None:
    numbers = "base_lr: 0.1 gamma: 0.5 power: 0.5 stepsize: 3 stepvalue: 2 max_iter: 10 "
    numbers += "stagelr: 0.1 stageiter: 3 plateau_winsize: 5"
    for name in POLICIES:
        assert 0 < rate(f'lr_policy: "{name}" {numbers}', 1) <= 0.1 + 1e-7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('lr_policy: "steps" base_lr: 1', "Unknown learning rate policy: steps; use one of exp, fixed, inv, multi"),
        ("base_lr: 1", "no lr_policy is given"),
        ('lr_policy: "step" base_lr: 1 gamma: 0.1', "'step' with stepsize 0"),
        ('lr_policy: "exp" base_lr: 1 gamma: -1', "'exp' with gamma -1"),
        ('lr_policy: "poly" base_lr: 1 power: 1', "'poly' with max_iter 0"),
        ('lr_policy: "exp" base_lr: 1 gamma: 1e30', "learning rate of policy 'exp' is inf"),
        ('lr_policy: "multifixed" base_lr: 1', r"'multifixed' with stagelr \[\]; give a stagelr, and a stageiter"),
        ('lr_policy: "multifixed" stagelr: [1, 2] stageiter: 3', "with 2 stagelr and 1 stageiter; give one stageiter"),
        ('lr_policy: "fixed" base_lr: 1 min_lr: 2', "min_lr is 2; give 0 or more, and no more than the highest rate"),
        ('lr_policy: "fixed" base_lr: 1 warmup_iter: 2 rampup_interval: 2', "are given; keep one warm-up"),
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
