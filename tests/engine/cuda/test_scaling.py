"""The loss scale: what it does to gradients, when it changes, and updates that are left out."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from caffe_sdk.engine.cuda import scaling
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.scaling import DynamicScale, FixedScale
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.rules import AdaDelta, AdaGrad, Adam, Nesterov, RmsProp, Sgd, Step
from caffe_sdk.errors import SolverError
from tests.engine.cuda.twins import get, put, simulated, tensors

RULES = [Sgd(0.9), Nesterov(0.9), AdaGrad(0.1), RmsProp(0.9, 0.1), AdaDelta(0.9, 0.1), Adam(0.9, 0.99, 0.1)]


def made(**options):
    engine = simulated(Options(precision=FLOAT16, **options))
    return engine, engine.loss_scale()


def test_engines_that_need_one_have_one():
    assert isinstance(made()[1], DynamicScale)
    assert isinstance(made(loss_scale=256)[1], FixedScale)
    assert made(loss_scale=256)[1].value == 256
    assert [simulated(Options(precision=real)).loss_scale() for real in (FLOAT32, BFLOAT16)] == [None, None]


def test_small_gradients_arrive_where_parameters_are_and_as_they_are():
    engine, scale = made()
    t = tensors({"x": (4, 6), "dy": (4, 3), "dz": (4, 3), "w": (3, 6), "dw": (3, 6), "db": (3,), "dx": (4, 6)})
    small = 2.0**-26 * np.arange(1, 13)  # of 2^-24 and less float16 has nothing
    put(t["dy"], small)
    recorder = Recorder()
    recorder.relu_grad(t["dy"], t["dy"], t["dz"], 0.0)
    recorder.inner_product_grad_weight(t["x"], t["dz"], t["dw"], t["db"], False)
    recorder.inner_product_grad_data(t["dz"], t["w"], t["dx"], False)
    program = engine.compile(recorder.calls)
    for scaled in (False, True, True, True):
        for name in ("dw", "db"):
            t[name].memory.clear()
        if scaled:
            with scale.applied():
                program.run()
        else:
            program.run()
            assert np.abs(get(t["db"]) - small.reshape(4, 3).sum(0)).max() > 1e-9
    assert engine.now.scale == 1
    np.testing.assert_allclose(get(t["dw"]), small.reshape(4, 3).T @ get(t["x"]), rtol=5e-3, atol=1e-9)
    np.testing.assert_allclose(get(t["db"]), small.reshape(4, 3).sum(0), rtol=1e-3)
    np.testing.assert_allclose(get(t["dx"]), small.reshape(4, 3) @ get(t["w"]), rtol=5e-3, atol=1e-9)
    scale.value /= 4  # a replay was captured with another one
    t["db"].memory.clear()
    with scale.applied():
        program.run()
    np.testing.assert_allclose(get(t["db"]), small.reshape(4, 3).sum(0), rtol=1e-3)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_update_is_left_out_where_a_gradient_is_no_number(rule):
    engine, scale = made()
    shapes = dict.fromkeys(("weight", "diff", "first", "second"), (5,))
    for bad, left_out in (([1, np.inf], True), ([np.nan, 0], True), ([-1, 2], False)):
        t, other = tensors(shapes), tensors({"weight": (2,), "diff": (2,), "first": (2,), "second": (2,)})
        put(other["diff"], bad)
        before = {name: get(t[name]).copy() for name in ("weight", "first", "second")}
        found = scale.check([t["diff"], other["diff"]])
        assert found is not None
        count = 2 if rule.name in ("adadelta", "adam") else 1
        with engine.together(found):
            for one in (t, other):
                histories = [one["first"], one["second"]][:count]
                for history in histories:
                    put(history, np.ones(history.count))
                engine.update_weights(rule, one["weight"], one["diff"], histories, Step(0.1))
        engine.checks.look()
        assert np.array_equal(get(t["weight"]), before["weight"]) == left_out
        assert bool(np.all(get(t["first"]) == 1)) == left_out
        skipped = scale.skipped
        scale.judge()
        assert scale.skipped == skipped + left_out


def test_more_gradients_than_a_launch_takes():
    _, scale = made()
    many = tensors({f"g{i}": (2,) for i in range(100)})
    for bad in (None, "g99", "g0", "g50"):
        if bad:
            put(many[bad], [0, np.inf])
        found = scale.check(list(many.values()))
        assert get(found)[0] == (bad is not None)
        if bad:
            put(many[bad], [0, 0])


def check(scale, value):
    t = tensors({"g": (3,)})["g"]
    put(t, [0, value, 0])
    scale.check([t])
    scale.judge()
    scale.judge()  # once for each check


def test_it_follows_what_is_found(monkeypatch, caplog):
    monkeypatch.setattr(scaling, "GOOD", 3)
    caplog.set_level("INFO")
    _, scale = made()
    check(scale, np.inf)
    assert (scale.value, scale.good, scale.skipped) == (2**15, 0, 1)
    assert "its update was left out (1 so far), and the loss scale is 32768 now" in caplog.text
    for good in (1, 2):
        check(scale, 1)
        assert (scale.value, scale.good) == (2**15, good)
    check(scale, 1)
    assert (scale.value, scale.good) == (2**16, 0)
    for _ in range(50):
        check(scale, 1)
    assert scale.value == 2**24
    state = scale.state()
    for _ in range(24):
        check(scale, np.nan)
    assert scale.value == 1
    with pytest.raises(SolverError, match="a gradient is not a finite number, and no loss scale helps; check the data"):
        check(scale, np.nan)
    scale.restore(state)
    assert scale.state() == state == {"value": 2**24, "good": 2, "skipped": 1}


def test_one_that_was_asked_for_stays():
    _, scale = made(loss_scale=64)
    assert scale.check([]) is None
    scale.judge()
    scale.restore({"value": 2.0, "good": 1, "skipped": 1})
    assert scale.value == 64


@pytest.mark.parametrize(
    ("real", "asked", "scales"), [(FLOAT16, 4096, True), (FLOAT16, 0, False), (BFLOAT16, 4096, False)]
)
def test_one_that_was_asked_for_is_that_of_every_thread_without_a_solver(real, asked, scales):
    """Small gradients of a net's own backward arrive, whoever calls it."""
    engine, found = simulated(Options(precision=real, loss_scale=asked)), []
    t = tensors({"x": (4, 6), "dy": (4, 3), "w": (3, 6), "dx": (4, 6)})
    put(t["dy"], np.full(12, 2.0**-26))

    def work():
        recorder = Recorder()
        recorder.inner_product_grad_data(t["dy"], t["w"], t["dx"], False)
        engine.compile(recorder.calls).run()
        found.append(get(t["dx"]).copy())

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for dx in found:
        assert (engine.now.scale == asked) == scales
        right = np.allclose(dx, np.full((4, 3), 2.0**-26) @ get(t["w"]), rtol=2e-2, atol=1e-9)
        assert right == (scales or real == BFLOAT16)
