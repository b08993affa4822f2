"""The update rules on weights in whatever layout they are, against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.descriptors import strided, tagged
from caffe_sdk.engine.cpu.layouts import place_of
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.portable.loops import update as loops
from caffe_sdk.engine.portable.update import meeting_place
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Tensor, new_tensor, transfers
from tests.engine.cpu.twins import close, compiled, tensors

NAMES = ("weight", "diff", "history")
OTHERS = ("adadelta", "adam")
"""Rules with two histories."""
REGULARIZATIONS = {
    "": (0.0, False, 1.0),
    " decay": (0.01, False, 1.0),
    " l1": (0.01, True, 1.0),
    " scaled": (0.01, False, 0.25),
}
NUMBERS = {
    "sgd": (0.1, 0.9),
    "nesterov": (0.1, 0.9),
    "adagrad": (0.1, 1e-8),
    "rmsprop": (0.1, 0.98, 1e-8),
    "adadelta": (1.0, 0.95, 1e-6),
    "adam": (0.1, 0.9, 0.999, 1e-8),
}
RULES = {
    rule + kind: (rule, (*numbers, *more))
    for rule, numbers in NUMBERS.items()
    for kind, more in REGULARIZATIONS.items()
} | {"sgd without momentum": ("sgd", (0.1, 0.0, 0.0, False, 1.0))}
LAST = place_of(strided((20, 30), (1, 20)))


def twins(shape=(20, 30)):
    """Two sets of equal tensors; histories are those of squares, and not negative."""
    made = [tensors(dict.fromkeys([*NAMES, "other"], shape)) for _ in range(2)]
    for t in made:
        for name in ("history", "other"):
            np.abs(t[name].memory.update(HOST), out=t[name].memory.update(HOST))
    return made


def of_rule(rule, t):
    return [t[name] for name in (*NAMES, "other")[: 4 if RULES[rule][0] in OTHERS else 3]]


def steps(t, expected, rule, count=2):
    name, numbers = RULES[rule]
    for _ in range(count):
        getattr(CpuEngine(), f"{name}_update")(*of_rule(rule, t), *numbers)
        getattr(ReferenceEngine(), f"{name}_update")(*of_rule(rule, expected), *numbers)


def agrees(t, expected):
    for name in t:
        close(t[name], expected[name], name)


@pytest.mark.parametrize("rule", RULES)
def test_on_the_host(rule):
    t, expected = twins()
    t["weight"].memory.update(HOST)[:3] = expected["weight"].memory.update(HOST)[:3] = 0  # whose sign is 0
    steps(t, expected, rule)
    agrees(t, expected)


@pytest.mark.parametrize("rule", RULES)
def test_where_the_weight_is(rule):
    t, expected = twins()
    t["weight"].memory.update(LAST)
    transfers.clear()
    steps(t, expected, rule, count=3)
    used = of_rule(rule, t)
    assert transfers["host", "onednn"] == len(used) - 1, "diff and histories follow, once"
    assert all(tensor.memory.fresh == {LAST} for tensor in used)
    agrees(t, expected)


def test_where_the_gradient_is_too():
    other = place_of(strided((30, 20), (1, 30)))
    t, _ = twins()
    for place in (LAST, other):
        t["weight"].memory.read(place)
        t["diff"].memory.update(place)
        assert meeting_place(t["weight"], t["diff"]) is place
        t["diff"].memory.update(HOST)
    assert meeting_place(t["weight"], t["diff"]) in (LAST, other)
    t["weight"].memory.update(HOST)
    assert meeting_place(t["weight"], t["diff"]) is HOST


def test_what_a_layout_pads_stays_zero():
    g = ConvolutionGeometry((3, 3), (1, 1), (0, 0), (1, 1))
    t = tensors({"x": (2, 20, 6, 6), "weight": (50, 20, 3, 3), "dy": (2, 50, 4, 4), "diff": (50, 20, 3, 3)})
    t["history"] = new_tensor((50, 20, 3, 3))

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["dy"], g)
        engine.convolution_grad_weight(t["x"], t["dy"], t["diff"], None, g)

    compiled(calls, t).run()
    CpuEngine().sgd_update(*(t[name] for name in NAMES), *RULES["sgd l1"][1])
    for name in NAMES:
        (place,) = t[name].memory.fresh
        if place is HOST:
            pytest.skip("convolutions of this processor take rows as they are")
        buffer = t[name].memory.read(place)
        assert buffer.size > t[name].count
        assert np.count_nonzero(buffer) <= t[name].count


def test_a_cleared_gradient_and_a_new_history_are_zeros():
    t, expected = twins()
    for each in (t, expected):
        each["diff"].memory.clear()
        each["history"].memory.clear()
    t["weight"].memory.update(LAST)
    steps(t, expected, "sgd decay")
    agrees(t, expected)


def test_float64():
    t, expected = ({name: new_tensor((5,), np.float64) for name in NAMES} for _ in range(2))
    for each in (t, expected):
        for i, name in enumerate(NAMES):
            each[name].memory.write(HOST)[...] = np.arange(5) - i
    steps(t, expected, "sgd decay")
    for name in NAMES:
        np.testing.assert_allclose(t[name].memory.read(HOST), expected[name].memory.read(HOST), rtol=1e-12)


@pytest.mark.parametrize("rule", ["adagrad", "rmsprop", "adadelta", "adam"])
def test_without_delta_what_a_layout_pads_is_not_divided(rule):
    t, expected = twins()
    padded = place_of(tagged((20, 30), "AB16a16b"))
    t["weight"].memory.update(padded)
    numbers = [0.0 if number in (1e-8, 1e-6) else number for number in RULES[rule][1]]
    getattr(CpuEngine(), f"{rule}_update")(*of_rule(rule, t), *numbers)
    getattr(ReferenceEngine(), f"{rule}_update")(*of_rule(rule, expected), *numbers)
    agrees(t, expected)
    assert np.isfinite(t["weight"].memory.read(padded)).all()


@pytest.mark.parametrize("rule", NUMBERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_step_that_is_no_number_is_an_error(rule, value):
    t, _ = twins()
    t["diff"].memory.update(HOST)[7] = value
    with pytest.raises(SolverError, match=r"not a finite number.*base_lr"):
        getattr(CpuEngine(), f"{rule}_update")(*of_rule(rule, t), *RULES[rule][1])


def test_sum_of_squares_wherever_tensors_are():
    t, _ = twins()
    total = new_tensor(())
    t["weight"].memory.update(place_of(tagged((20, 30), "AB16a16b")))
    given = [t["weight"], t["diff"], new_tensor((0,)), new_tensor((3,)), Tensor(t["diff"].memory, (10,))]
    transfers.clear()
    CpuEngine().sum_of_squares(given, total)
    assert not transfers
    expected = sum(float((tensor.memory.read(HOST)[: tensor.count] ** 2).sum()) for tensor in given)
    assert total.memory.read(HOST)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_nothing_to_update(shape):
    t, expected = twins(shape)
    steps(t, expected, "sgd decay")
    agrees(t, expected)


def test_without_numba(monkeypatch):
    monkeypatch.setattr(conditions, "HAS_NUMBA", False)
    t, expected = twins()
    t["weight"].memory.update(LAST)
    steps(t, expected, "sgd decay")
    agrees(t, expected)


def test_what_is_not_a_finite_number():
    assert [loops.not_finite(step) for step in (1.5, 0.0, np.inf, -np.inf, np.nan)] == [0, 0, 1, 1, 1]
