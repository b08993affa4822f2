"""The six rules, for many parameters in one launch; a step that is no number is told."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.structures import MOST_UPDATES
from caffe_sdk.engine.operation import Recorder
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
    def calls(engine, t):
        recorder = Recorder()
        for i in range(100):
            recorder.sgd_update(t[f"w{i}"], t[f"d{i}"], t[f"h{i}"], 0.01 * i, 0.9, 0.001 * i, False, 1.0)
        if hasattr(engine, "update_all"):
            engine.update_all(recorder.calls)
        else:
            engine.compile(recorder.calls).run()

    shapes = {f"{kind}{i}": (i % 5, 3) for i in range(100) for kind in "wdh"}
    engine = simulated()
    agree(shapes, calls, engine=engine)
    assert engine.device.launches["sgd_update"] == -(-100 // MOST_UPDATES)


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
