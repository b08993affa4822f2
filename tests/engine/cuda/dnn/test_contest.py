"""Who computes what both can: by the option, or whoever was quicker, measured within its time, and kept."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.dnn import contest
from caffe_sdk.engine.cuda.dnn.contest import DnnContest, NoContest
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import device, fail, mock
from tests.engine.cuda.twins import agree, get, put, tensors

CALL = "cudnnActivationForward"


@pytest.fixture(autouse=True)
def _kept_elsewhere(monkeypatch, tmp_path):
    folder = user_cache.folder
    monkeypatch.setattr(user_cache, "folder", lambda name: tmp_path / name if name == "cudnn" else folder(name))
    yield
    mock().mock_dnn_set(ctypes.c_size_t(91002), 0)


def engine(computes=Cudnn.ALL, **options):
    seconds = {"cudnn_search": 60} if computes is Cudnn.SEARCH else {}
    return CudaEngine(device(options=Options(cudnn=computes, **seconds, **options)))


def times(computing, *seconds):
    """Let measuring tell these seconds, cuDNN's and ours in turns; those that were not asked for stay."""
    judge, told = computing.device.contest._judge, list(seconds)

    def seconds_of(work):
        work()
        return told.pop(0)

    object.__setattr__(judge, "seconds", seconds_of)
    return told


def calls():
    return mock().mock_dnn_calls(CALL.encode())


def sigmoids(computing, count=1, shape=(3, 4)):
    """How often cuDNN was called for so many sigmoids in place, whose numbers are right."""
    before = calls()

    def work(engine, t):
        for _ in range(count):
            engine.sigmoid(t["x"], t["x"])

    agree({"x": shape}, work, engine=computing)
    return calls() - before


def test_who_is_asked():
    for computes, kind in ((Cudnn.CONVOLVES, NoContest), (Cudnn.NEVER, NoContest), (Cudnn.ALL, DnnContest)):
        computing = engine(computes)
        assert type(computing.device.contest) is kind
        assert sigmoids(computing, 2) == (2 if kind is DnnContest else 0)


@pytest.mark.parametrize(("seconds", "quicker"), [((3, 2, 1, 2, 3, 2), True), ((3, 2, 3, 2, 2, 2), False)])
def test_the_quicker_one_is_measured_once_and_kept(seconds, quicker):
    """By the least of its times; both on the same numbers, which are in place and stay right."""
    computing = engine(Cudnn.SEARCH)
    times(computing, *seconds)
    first = sigmoids(computing)
    assert first == 1 + contest.ROUNDS + quicker
    assert sigmoids(computing, 3) == 3 * quicker
    again = engine(Cudnn.SEARCH)  # as another process does
    assert times(again) == []
    assert sigmoids(again, 2) == 2 * quicker


@dataclass(frozen=True)
class Copy:
    """y = x, by one copy."""

    device: Any
    made: tuple[int, ...] = (16,)

    def planned(self, dnn, handle):
        return lambda x, y: self.device.copy(x, y, 16)


@pytest.mark.parametrize("launches", [1, 2])
def test_it_is_measured_by_the_gpus_own_clock(launches):
    """The mock's counts what it does; of equals ours is taken."""
    computing = engine(Cudnn.SEARCH)
    job, t = Copy(computing.device), tensors({"x": (4,), "y": (4,)})
    given, made = [computing.source(t["x"])], [computing.target(t["y"])]

    def ours(x, y):
        for _ in range(launches):
            computing.launch("sigmoid", 4, x, y)

    assert computing.device.contest.computed(job, given, made, ours) == (launches > 1)
    np.testing.assert_array_equal(get(t["y"]) == get(t["x"]), launches > 1)


def test_nothing_is_measured_when_the_time_is_used_up():
    computing = engine(Cudnn.SEARCH)
    computing.device.contest._judge.budget.left = 0.0
    assert sigmoids(computing, 2) == 0
    computing.device.contest._judge.budget.left = 1e-9
    times(computing, *(1, 2) * contest.ROUNDS)
    assert sigmoids(computing) > 1
    assert sigmoids(computing, shape=(3, 5)) == 0


def test_nothing_is_measured_while_work_is_captured():
    computing, t = engine(Cudnn.SEARCH), tensors({"x": (3, 4)})
    t["x"].memory.update(computing.place)
    before = calls()
    replay = computing.device.capture(lambda: computing.sigmoid(t["x"], t["x"]))
    replay.launch()
    assert calls() == before
    times(computing, *(1, 2) * contest.ROUNDS)
    assert sigmoids(computing) > 1


def test_where_no_memory_can_be_spared_nothing_is_measured(monkeypatch):
    computing = engine(Cudnn.SEARCH)

    def full(nbytes):
        raise DeviceError("memory", "all is taken", "")

    object.__setattr__(computing.device.contest._judge, "room", full)
    assert sigmoids(computing, 2) == 0


@pytest.mark.parametrize("computes", [Cudnn.ALL, Cudnn.SEARCH])
@pytest.mark.parametrize("name", [CALL, "cudnnSetActivationDescriptor"])
def test_what_it_does_not_support_is_not_asked_for_again(name, computes):
    computing = engine(computes)
    fail(name, 3000)
    assert sigmoids(computing, 3) == (name == CALL)
    put_back = engine(computes)
    assert sigmoids(put_back) > 0


def test_what_goes_wrong_is_said():
    computing = engine()
    fail(CALL, 5000)
    t = tensors({"x": (3,)})
    with pytest.raises(DeviceError, match=f"{CALL}: CUDNN_STATUS_EXECUTION_FAILED; .*set CAFFE_CUDNN=0"):
        computing.sigmoid(t["x"], t["x"])
    put(t["x"], [0, 0, 0])
    computing.sigmoid(t["x"], t["x"])
    assert get(t["x"]).tolist() == [0.5] * 3


def test_old_jobs_make_room_for_new_ones(monkeypatch):
    monkeypatch.setattr(contest, "MOST_JOBS", 2)
    computing = engine()
    for n in (1, 2, 3, 4, 1):
        assert sigmoids(computing, shape=(n,)) == 1
    assert len(computing.device.contest._runs) == 2


def test_nothing_is_nobodys():
    assert sigmoids(engine(), shape=(0, 3)) == 0
