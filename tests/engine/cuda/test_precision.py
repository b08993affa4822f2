"""Programs on values of 16 bits: which calls, where memories are then, and numbers as right as the format's."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import use
from caffe_sdk.engine.cuda import precision
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.precision import ALIKE, MASKS, MULTIPLY, NARROW, SHAPED
from caffe_sdk.engine.cuda.program import CudaProgram
from caffe_sdk.engine.operation import OPERATIONS, Recorder
from caffe_sdk.memory import HOST, transfers
from tests.cases.case import Case
from tests.cases.table import CASES
from tests.cases.test_cases import REFERENCE, assert_close, run
from tests.engine.cpu import lenet
from tests.engine.cuda.test_engine import programs
from tests.engine.cuda.twins import get, put, simulated, tensors, usual
from tests.solver.models import LINEAR

DIGITS = {FLOAT16: 2**-11, BFLOAT16: 2**-8}
each_half = pytest.mark.parametrize("real", DIGITS, ids=lambda real: real.name)
each_order = pytest.mark.parametrize("last", [False, True], ids=["NCHW", "NHWC"])


def engine_of(real):
    return simulated(Options(precision=real))


def test_names_are_those_of_operations_and_their_tensors():
    for name, tensors_named in (NARROW | MULTIPLY).items():
        assert set(tensors_named.split()) <= set(OPERATIONS[name].signature.parameters), name
    assert (NARROW | MULTIPLY).keys() >= ALIKE | SHAPED >= MASKS.keys()


@pytest.fixture
def _planned(monkeypatch):
    """Every run leaves memories where its plan said."""
    compute = CudaProgram._compute

    def checked(self, between=None):
        compute(self, between)
        for memory, places in self.plan.made.items():
            assert memory.fresh == set(places)

    monkeypatch.setattr(CudaProgram, "_compute", checked)


@pytest.mark.usefixtures("_planned")
@each_half
@each_order
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case: Case, last, real, monkeypatch):
    """By the rule, and where every operation that can take values of 16 bits does, and channels last."""
    expected, gradients = run(case, REFERENCE, case.values())
    for everywhere in (False, True):
        if everywhere:
            monkeypatch.setattr(precision, "MULTIPLY", NARROW | MULTIPLY)
            monkeypatch.setattr(precision, "SEEK", ALIKE | SHAPED)
        got, got_gradients = run(case, usual(real, last), case.values(), programs=True)
        assert_close(got, expected, 10 * DIGITS[real])
        assert_close(got_gradients, gradients, 12 * DIGITS[real])


@pytest.mark.usefixtures("_planned")
@each_half
@each_order
def test_lenet_updates_as_with_floats(real, last):
    """As far as rounding lets steps of such a size be compared; more of them are another course."""
    n, losses = 6, []
    for engine in (REFERENCE, usual(real, last)):
        t = lenet.lenet(n)
        forward, backward = programs(engine, t)
        losses.append([])
        for _ in range(3):
            lenet.clear(t)
            forward.run()
            backward.run()
            lenet.update(engine, t)
            losses[-1].append(float(get(t["loss"])))
    np.testing.assert_allclose(losses[1], losses[0], rtol=20 * DIGITS[real])


def test_only_copies_of_16_bits_are_made_when_weights_change():
    before = transfers.copy()
    engine, t = engine_of(FLOAT16), lenet.lenet(2)
    forward, backward = programs(engine, t)
    for iteration in range(4):
        if iteration == 3:
            transfers.clear()
        for name in ("data", "label"):
            t[name].memory.update(HOST)
        lenet.clear(t)
        forward.run()
        backward.run()
        lenet.update(engine, t)
        get(t["loss"])
    narrow = "simulated float16"
    moved = transfers.copy()
    transfers.clear()
    transfers.update(before)
    assert moved[("host", narrow)] == moved[("host", "simulated")] == moved[("simulated", "host")] == 1
    assert moved[("simulated", narrow)] == 4  # the weights
    assert sum(moved.values()) == 7


def narrow_calls(record, real=FLOAT16):
    """For each call that was recorded whether it works on 16 bits, and the plan."""
    recorder = Recorder()
    record(recorder)
    program = engine_of(real).compile(recorder.calls)
    return [how.real == real for how in program.plan.hows], program.plan


def test_values_are_narrow_from_the_first_product_to_the_loss():
    t = tensors({"x": (4, 6), "w": (3, 6), "y": (4, 3), "z": (4, 3), "p": (4, 3), "l": (4,), "loss": ()})

    def record(r):
        r.relu(t["x"], t["x"], 0.0)
        r.inner_product(t["x"], t["w"], None, t["y"], False)
        r.tanh(t["y"], t["z"])
        r.softmax(t["z"], t["p"], 1)
        r.softmax_loss(t["p"], t["l"], t["loss"], 1, None, "VALID")

    calls, plan = narrow_calls(record)
    assert calls == [False, True, True, True, False]
    assert {t["y"].memory, t["z"].memory} == plan.narrow.keys()
    assert narrow_calls(record, FLOAT32)[1].narrow == {}


def test_labels_are_never_narrow():
    """However they are cut and joined: a thousand and one would become a thousand."""
    t = tensors({"x": (4, 6), "l": (4, 1), "c": (4, 1), "w": (3, 6), "y": (4, 3), "m": (4, 4), "k": (4, 1)})

    def record(r):
        r.copy(t["l"], t["c"])
        r.inner_product(t["x"], t["w"], None, t["y"], False)
        r.crop(t["c"], t["k"], (0, 0))
        r.concatenate([t["y"], t["l"]], t["m"], 1)

    assert narrow_calls(record)[0] == [False, True, False, True]
    engine, recorder = engine_of(BFLOAT16), Recorder()
    put(t["l"], [1001, 1, 2, 3])
    record(recorder)
    engine.compile(recorder.calls).run()
    assert get(t["k"]).ravel().tolist() == [1001, 1, 2, 3]


def test_what_an_operation_also_takes_as_floats_is_floats():
    t = tensors({"x": (3, 3), "w": (3, 3), "y": (3, 3), "z": (3, 3)})

    def record(r):
        r.inner_product(t["x"], t["w"], None, t["y"], False)
        r.affine(t["y"], t["y"], None, t["z"], 0)

    assert narrow_calls(record)[0] == [True, False]


def test_calls_that_store_values_in_two_ways_are_not_one():
    """The gradient that comes to a Scale is of floats, and what the batch normalization kept is narrow."""
    names = dict.fromkeys(("x", "y", "k", "n", "dy"), (4, 3)) | dict.fromkeys(("s", "b", "ds", "db", "d"), (3,))
    given = names | dict.fromkeys(("m", "v"), (3,)) | {"w": (1,), "i": (4, 6), "f": (3, 6)}
    seen = []
    for engine in (REFERENCE, engine_of(FLOAT16)):
        t, r = tensors(given), Recorder()
        r.inner_product(t["i"], t["f"], None, t["x"], False)
        r.batch_norm(t["x"], t["y"], t["n"], t["d"], t["m"], t["v"], t["w"], 1e-3, 0.9)
        r.copy(t["y"], t["k"])
        r.affine(t["y"], t["s"], t["b"], t["y"], 1)
        r.affine_grad_shift(t["dy"], t["db"], 1)
        r.affine_grad_scale(t["k"], t["dy"], t["ds"], 1)
        r.affine_grad_data(t["dy"], t["s"], t["dy"], 1)
        r.batch_norm_grad(t["n"], t["d"], t["dy"], t["dy"])
        program = engine.compile(r.calls)
        program.run()
        seen.append([get(t[name]).copy() for name in ("y", "db", "ds", "dy")])
    assert "scaled_batch_norm" in [step.means for step in program.steps()]
    assert "scaled_batch_norm_grad" not in [step.means for step in program.steps()]
    for mine, theirs in zip(seen[1], seen[0], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=5e-3, atol=1e-2)


def test_values_take_half_the_memory():
    sizes = {}
    for real in (FLOAT32, FLOAT16):
        engine, t = engine_of(real), lenet.lenet(8)
        forward, backward = programs(engine, t)
        places = forward.needs() | backward.needs()
        values = {t[name].memory for name in ("conv1", "pool1", "conv2", "pool2", "ip1")}
        values |= {t[f"d{name}"].memory for name in ("conv1", "pool1", "conv2", "pool2", "ip1")}
        sizes[real] = sum(nbytes for (memory, _), nbytes in places.items() if memory in values)
        forward.run()
        backward.run()
        assert sizes[real] == sum(memory.allocated() for memory in values) - sum(m.nbytes(HOST) for m in values)
    assert sizes[FLOAT16] * 2 == sizes[FLOAT32]


@pytest.mark.parametrize("phase", [caffe.TEST, caffe.TRAIN])
def test_what_a_net_takes_is_what_was_planned(tmp_path, phase):
    (tmp_path / "net.prototxt").write_text(LINEAR)
    with use("simulated:float16"), caffe.Net(str(tmp_path / "net.prototxt"), phase) as net:
        planned = net.memory
        net.forward()
        if phase == caffe.TRAIN:
            net.backward()
        assert net.memory == planned
