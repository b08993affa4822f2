from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.engine.operation import OPERATIONS, Recorder
from caffe_sdk.engine.reference.update import Update
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Tensor, new_tensor
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver import updates
from caffe_sdk.solver.updates import Numbers

SHAPE = (5, 7)
Formula = Callable[..., tuple[np.ndarray, list[np.ndarray]]]


def solver(text: str) -> SolverParameter:
    return prototxt.parse(text, SolverParameter)


def tensor(values: np.ndarray) -> Tensor:
    made = new_tensor(values.shape, values.dtype)
    made.memory.write(HOST)[...] = values.reshape(-1)
    return made


def values_of(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    return [np.array(t.memory.read(HOST)).reshape(t.shape) for t in tensors]


def sgd(g, h, rate, **_):
    new = 0.9 * h[0] + rate * g
    return new, [new]


def nesterov(g, h, rate, **_):
    new = 0.9 * h[0] + rate * g
    return 1.9 * new - 0.9 * h[0], [new]


def adagrad(g, h, rate, **_):
    new = h[0] + g**2
    return rate * g / (np.sqrt(new) + 1e-3), [new]


def rmsprop(g, h, rate, **_):
    new = 0.95 * h[0] + 0.05 * g**2
    return rate * g / (np.sqrt(new) + 1e-3), [new]


def adadelta(g, h, rate, **_):
    squares = 0.9 * h[0] + 0.1 * g**2
    step = g * np.sqrt((h[1] + 1e-3) / (squares + 1e-3))
    return rate * step, [squares, 0.9 * h[1] + 0.1 * step**2]


def adam(g, h, rate, t):
    mean, squares = 0.9 * h[0] + 0.1 * g, 0.99 * h[1] + 0.01 * g**2
    correction = np.sqrt(1 - 0.99**t) / (1 - 0.9**t)
    return rate * correction * mean / (np.sqrt(squares) + 1e-3), [mean, squares]


RULES: list[tuple[type[updates.Rule], str, Formula]] = [
    (updates.SGD, "momentum: 0.9", sgd),
    (updates.Nesterov, "momentum: 0.9", nesterov),
    (updates.AdaGrad, "delta: 1e-3", adagrad),
    (updates.RMSProp, "delta: 1e-3 rms_decay: 0.95", rmsprop),
    (updates.AdaDelta, "delta: 1e-3 momentum: 0.9", adadelta),
    (updates.Adam, "delta: 1e-3 momentum: 0.9 momentum2: 0.99", adam),
]


@pytest.mark.parametrize("engine_name", ["reference", "cpu", "fake"])
@pytest.mark.parametrize("regularization", ["L1", "L2"])
@pytest.mark.parametrize(("rule", "text", "formula"), RULES, ids=[r[0].__name__ for r in RULES])
def test_rules_follow_their_formulas(engine_name, regularization, rule, text, formula, rng) -> None:
    """Three updates in float32 against the formulas in float64."""
    made = rule(solver(f'{text} regularization_type: "{regularization}"'))
    weight = rng.standard_normal(SHAPE)
    history = [np.zeros(SHAPE) for _ in range(rule.histories)]
    w = tensor(weight.astype(np.float32))
    h = [tensor(values.astype(np.float32)) for values in history]
    for iteration in range(3):
        diff = rng.standard_normal(SHAPE)
        d = tensor(diff.astype(np.float32))
        made.update(engine.select(engine_name), w, d, h, Numbers(rate=0.1, decay=0.02, scale=0.5, iteration=iteration))
        g = 0.5 * diff + 0.02 * (np.sign(weight) if regularization == "L1" else weight)
        step, history = formula(g, history, 0.1, t=iteration + 1)
        weight = weight - step
        for got, expected in zip(values_of([w, d, *h]), [weight, step, *history], strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


def test_rules_and_operations_are_one_to_one() -> None:
    recorder = Recorder()
    for rule, text, _ in RULES:
        tensors = [new_tensor(SHAPE) for _ in range(2 + rule.histories)]
        rule(solver(text)).update(recorder, *tensors[:2], tensors[2:], Numbers(0.1, 0, 1, 0))
        call = recorder.calls[-1]
        assert call.reads() == call.writes() == tensors
    assert {c.name for c in recorder.calls} | {"sum_of_squares"} == set(OPERATIONS) & set(vars(Update))


@pytest.mark.parametrize("engine_name", ["reference", "cpu", "fake"])
def test_sum_of_squares(engine_name, rng) -> None:
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (2,), (1, 1, 5))]
    total = new_tensor(())
    engine.select(engine_name).sum_of_squares([tensor(a) for a in arrays], total)
    assert values_of([total])[0] == pytest.approx(sum(float((a.astype(float) ** 2).sum()) for a in arrays), rel=1e-5)


@pytest.mark.parametrize(
    ("rule", "text", "words"),
    [
        (updates.SGD, 'regularization_type: "L3"', "Unknown regularization type: L3; use L1 or L2"),
        (updates.AdaGrad, "momentum: 0.9", "Momentum cannot be used with AdaGrad"),
        (updates.RMSProp, "momentum: 0.9", "Momentum cannot be used with RMSProp"),
        (updates.RMSProp, "rms_decay: 1", "rms_decay is 1"),
        (updates.Adam, "momentum: 1", "momentum is 1"),
    ],
)
def test_numbers_a_rule_cannot_work_with(rule, text, words) -> None:
    with pytest.raises(SolverError, match=words):
        rule(solver(text))
