"""The six rules, for many parameters in one launch; a step that is no number is told."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.structures import MOST_UPDATES
from caffe_sdk.engine.rules import AdaDelta, AdaGrad, Adam, Nesterov, RmsProp, Sgd, Step
from caffe_sdk.errors import SolverError
from tests.engine.cuda.twins import agree, get, put, simulated, tensors

RULES = {
    Sgd(0.9): 1,
    Nesterov(0.9): 1,
    AdaGrad(1e-4): 1,
    RmsProp(0.95, 1e-4): 1,
    AdaDelta(0.9, 1e-3): 2,
    Adam(0.9, 0.99, 1e-4): 2,
}
"""Rules, and how many histories they have."""
SHAPES = {"w": (3, 50), "d": (3, 50), "first": (3, 50), "second": (3, 50)}


def update(engine, rule, t, decay=0.01, l1=False):
    histories = [t["first"], t["second"]][: RULES[rule]]
    engine.update_weights(rule, t["w"], t["d"], histories, Step(0.1, decay, l1, scale=0.5))


@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("rule", RULES)
def test_rules(rule, decay, l1):
    def calls(engine, t):
        for _ in range(3):
            update(engine, rule, t, decay, l1)

    positive = np.random.default_rng(4).random((3, 50))
    agree(SHAPES, calls, given={"first": positive, "second": positive})


def test_many_parameters_in_few_launches():
    """Together as one by one; of other numbers apart."""

    def calls(engine, t):
        with engine.together():
            for i in range(100):
                momentum = 0.9 if i else 0.5
                step = Step(0.01 * i, 0.001 * i)
                engine.update_weights(Sgd(momentum), t[f"w{i}"], t[f"d{i}"], [t[f"h{i}"]], step)
            engine.update_weights(Adam(0.9, 0.99, 1e-8), t["w"], t["d"], [t["m"], t["v"]], Step(0.1))

    shapes = {f"{kind}{i}": (i % 5, 3) for i in range(100) for kind in "wdh"}
    engine = simulated()
    agree({**shapes, **dict.fromkeys("wdmv", (4,))}, calls, given={"v": [1, 2, 3, 4]}, engine=engine)
    assert engine.device.launches["sgd_update"] == -(-99 // MOST_UPDATES)  # the first has no values
    assert engine.device.launches["adam_update"] == 1


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_takes_parameters_together(rule):
    engine, t, others = simulated(), tensors(SHAPES), tensors(SHAPES)
    with engine.together():
        for each in (t, others):
            update(engine, rule, each)
    assert engine.device.launches[f"{rule.name}_update"] == 1


def test_what_fails_inside_updates_nothing():
    engine, t = simulated(), tensors(SHAPES)
    before = get(t["w"]).copy()

    def fail():
        with engine.together():
            update(engine, Sgd(0.9), t)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    np.testing.assert_array_equal(get(t["w"]), before)
    update(engine, Sgd(0.9), t)
    assert np.all(get(t["w"]) != before)


def test_a_step_that_is_no_number_is_made_and_told():
    engine, t = simulated(), tensors(SHAPES)
    gradient = np.zeros((3, 50))
    gradient[1, 7] = np.nan
    put(t["d"], gradient)
    update(engine, Sgd(0.9), t)
    with pytest.raises(SolverError, match="an update of the weights is not a finite number; check the data"):
        get(t["w"])
    assert np.isnan(get(t["w"])[1, 7])
    assert np.isnan(get(t["w"])).sum() == 1


def test_sum_of_squares():
    shapes = {"a": (3, 500), "b": (0,), "c": (), "d": (40000,), "total": ()}
    agree(shapes, lambda e, t: e.sum_of_squares([t[n] for n in "abcd"], t["total"]))
    agree({"total": ()}, lambda e, t: e.sum_of_squares([], t["total"]))
