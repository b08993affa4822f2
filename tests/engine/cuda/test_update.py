"""The six rules, for many parameters in one launch; a step that is no number is told."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.structures import MOST_UPDATES
from caffe_sdk.errors import SolverError
from tests.engine.cuda.twins import agree, get, put, simulated, tensors

RULES = {
    "sgd_update": (1, (0.9,)),
    "nesterov_update": (1, (0.9,)),
    "adagrad_update": (1, (1e-4,)),
    "rmsprop_update": (1, (0.95, 1e-4)),
    "adadelta_update": (2, (0.9, 1e-3)),
    "adam_update": (2, (0.9, 0.99, 1e-4)),
}
SHAPES = {"w": (3, 50), "d": (3, 50), "first": (3, 50), "second": (3, 50)}


def arguments(rule, t, rate=0.1, decay=0.01, l1=False, scale=0.5):
    histories, numbers = RULES[rule]
    return *[t["w"], t["d"], t["first"], t["second"]][: 2 + histories], rate, *numbers, decay, l1, scale


@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("rule", RULES)
def test_rules(rule, decay, l1):
    def calls(engine, t):
        for _ in range(3):
            getattr(engine, rule)(*arguments(rule, t, decay=decay, l1=l1))

    positive = np.random.default_rng(4).random((3, 50))
    agree(SHAPES, calls, given={"first": positive, "second": positive})


def test_many_parameters_in_few_launches():
    """Together as one by one; of other numbers apart."""

    def calls(engine, t):
        with engine.together():
            for i in range(100):
                momentum = 0.9 if i else 0.5
                engine.sgd_update(t[f"w{i}"], t[f"d{i}"], t[f"h{i}"], 0.01 * i, momentum, 0.001 * i, False, 1.0)
            engine.adam_update(t["w"], t["d"], t["m"], t["v"], 0.1, 0.9, 0.99, 1e-8, 0.0, False, 1.0)

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
            getattr(engine, rule)(*arguments(rule, each))
    assert engine.device.launches[rule] == 1


def test_what_fails_inside_updates_nothing():
    engine, t = simulated(), tensors(SHAPES)
    before = get(t["w"]).copy()

    def fail():
        with engine.together():
            engine.sgd_update(*arguments("sgd_update", t))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    np.testing.assert_array_equal(get(t["w"]), before)
    engine.sgd_update(*arguments("sgd_update", t))
    assert np.all(get(t["w"]) != before)


def test_a_step_that_is_no_number_is_made_and_told():
    engine, t = simulated(), tensors(SHAPES)
    gradient = np.zeros((3, 50))
    gradient[1, 7] = np.nan
    put(t["d"], gradient)
    engine.sgd_update(*arguments("sgd_update", t))
    with pytest.raises(SolverError, match="an update of the weights is not a finite number; check the data"):
        get(t["w"])
    assert np.isnan(get(t["w"])[1, 7])
    assert np.isnan(get(t["w"])).sum() == 1


def test_sum_of_squares():
    shapes = {"a": (3, 500), "b": (0,), "c": (), "d": (40000,), "total": ()}
    agree(shapes, lambda e, t: e.sum_of_squares([t[n] for n in "abcd"], t["total"]))
    agree({"total": ()}, lambda e, t: e.sum_of_squares([], t["total"]))
