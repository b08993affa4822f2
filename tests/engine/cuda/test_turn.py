"""Turns with a GPU and events, on a driver that is none."""

from __future__ import annotations

import gc
import os

import pytest

from caffe_sdk.engine.cuda.driver import Driver, DriverError
from caffe_sdk.engine.cuda.turn import Event, Turn, held
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import LATE, fail, mock, order


@pytest.fixture
def turns() -> list[Turn]:
    """With two GPUs."""
    cuda = Driver(mock())
    return [Turn(cuda, cuda.made("cuDevicePrimaryCtxRetain", number)) for number in (0, 1)]


def stream_of(turn: Turn):
    with turn:
        return turn.cuda.made("cuStreamCreate", 1)


def test_a_turn_within_a_turn_leaves_the_context_as_it_was(turns):
    one, other = turns
    stream = stream_of(one)
    with one:
        event = Event(one)
        with other:
            assert held() == [one, other]
        one.cuda.call("cuEventRecord", event._handle, stream)  # refused with the other's context
    assert held() == []


def test_a_turn_that_cannot_begin_is_none(turns, monkeypatch):
    def refuse(name, *arguments):
        raise DeviceError("GPU", name)

    monkeypatch.setattr(turns[0].cuda, "call", refuse)
    with pytest.raises(DeviceError, match="cuCtxSetCurrent"), turns[0]:
        pass
    monkeypatch.undo()
    with turns[0]:
        assert held() == [turns[0]]


@pytest.mark.parametrize("capturing", [0, 1])
def test_what_may_not_be_captured_comes_after_it(turns, capturing):
    """Of the GPU that captures, and of another when this thread captures."""
    done = []
    with turns[capturing] as _:
        turns[capturing].capturing = True
        turns[0].later(lambda: done.append(1))
        assert not done
        turns[capturing].captured()
        assert done == [1]
    turns[0].later(lambda: done.append(2))
    assert done == [1, 2]


def test_what_cannot_be_given_back_after_a_capture_is_let_go(turns):
    done, failed = [], []

    def fails():
        failed.append(1)
        raise DeviceError("GPU", "gone")

    with turns[0]:
        turns[0].capturing = True
        turns[0].later(fails)
        turns[0].later(lambda: done.append(1))
        turns[0].captured()
    assert (failed, done) == ([1], [1])


def test_a_forked_child_gives_nothing_back(turns, monkeypatch):
    done = []
    monkeypatch.setattr(os, "getpid", lambda: -1)
    turns[0].later(lambda: done.append(1))
    assert done == []


def test_an_event_is_passed_when_all_before_it_is_done(turns):
    turn = turns[0]
    stream = stream_of(turn)
    with order(LATE):
        event = Event(turn)
        event.record(stream)
        assert not event.passed()
        event.record(stream)
        event.wait()
        assert event.passed()
    fail("cuEventQuery", 999)
    with pytest.raises(DriverError, match="cuEventQuery: CUDA_ERROR_UNKNOWN"):
        event.passed()


def test_only_timed_events_tell_times(turns):
    turn = turns[0]
    stream, events = stream_of(turn), [Event(turn, timed=True), Event(turn, timed=True), Event(turn)]
    for event in events:
        event.record(stream)
    assert events[0].seconds_to(events[1]) > 0
    with pytest.raises(DriverError, match="cuEventElapsedTime"):
        events[0].seconds_to(events[2])


def test_an_event_that_was_not_made_is_given_back_without_a_word(turns):
    fail("cuEventCreate", 999)
    with pytest.raises(DriverError, match="cuEventCreate"):
        Event(turns[0])
    gc.collect()
