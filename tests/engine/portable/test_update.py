"""The update rules on weights in whatever layout they are, against the reference's."""

from __future__ import annotations

from dataclasses import replace

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
from caffe_sdk.engine.rules import AdaDelta, AdaGrad, Adam, Nesterov, RmsProp, Sgd, Step
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Tensor, new_tensor, transfers
from tests.engine.cpu.twins import close, compiled, tensors

NAMES = ("weight", "diff", "history")
STEPS = {
    "": Step(0.1),
    " decay": Step(0.1, 0.01),
    " l1": Step(0.1, 0.01, l1=True),
    " scaled": Step(0.1, 0.01, scale=0.25),
}
PLAIN = [Sgd(0.9), Nesterov(0.9), AdaGrad(1e-8), RmsProp(0.98, 1e-8), AdaDelta(0.95, 1e-6), Adam(0.9, 0.999, 1e-8)]
RULES = {rule.name + kind: (rule, step) for rule in PLAIN for kind, step in STEPS.items()}
RULES["sgd without momentum"] = Sgd(0.0), Step(0.1)
LAST = place_of(strided((20, 30), (1, 20)))


def twins(shape=(20, 30)):
    """Two sets of equal tensors; histories are those of squares, and not negative."""
    made = [tensors(dict.fromkeys([*NAMES, "other"], shape)) for _ in range(2)]
    for t in made:
        for name in ("history", "other"):
            np.abs(t[name].memory.update(HOST), out=t[name].memory.update(HOST))
    return made


def histories(rule, t):
    return [t["history"], t["other"]] if isinstance(rule, AdaDelta | Adam) else [t["history"]]


def update(engine, rule, step, t):
    engine.update_weights(rule, t["weight"], t["diff"], histories(rule, t), step)


def steps(t, expected, rule, count=2):
    for _ in range(count):
        update(CpuEngine(), *RULES[rule], t)
        update(ReferenceEngine(), *RULES[rule], expected)


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
    used = [t["weight"], t["diff"], *histories(RULES[rule][0], t)]
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
    update(CpuEngine(), *RULES["sgd l1"], t)
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


@pytest.mark.parametrize("rule", PLAIN[2:], ids=lambda rule: rule.name)
def test_without_delta_what_a_layout_pads_is_not_divided(rule):
    t, expected = twins()
    padded = place_of(tagged((20, 30), "AB16a16b"))
    t["weight"].memory.update(padded)
    update(CpuEngine(), replace(rule, delta=0.0), Step(0.1), t)
    update(ReferenceEngine(), replace(rule, delta=0.0), Step(0.1), expected)
    agrees(t, expected)
    assert np.isfinite(t["weight"].memory.read(padded)).all()


@pytest.mark.parametrize("rule", PLAIN, ids=lambda rule: rule.name)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_step_that_is_no_number_is_an_error(rule, value):
    t, _ = twins()
    t["diff"].memory.update(HOST)[7] = value
    with pytest.raises(SolverError, match=r"not a finite number.*base_lr"):
        update(CpuEngine(), rule, Step(0.1), t)


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
