"""The stopwatch measures."""

from __future__ import annotations

import logging
import time

import pytest

from caffe_sdk import timer
from caffe_sdk.timer import Timer, now, wait_for


def test_it_measures_from_start_to_stop() -> None:
    timer = Timer()
    timer.start()
    time.sleep(0.02)
    timer.start()
    timer.stop()
    measured = timer.ms
    assert 20 <= measured < 1000
    timer.stop()
    assert timer.ms == measured
    timer.start()
    assert timer.ms < measured


def test_a_timer_that_never_ran_reads_zero(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "caffe_sdk.timer"):
        assert Timer().ms == 0
    assert "never been run" in caplog.text


def test_it_waits_for_devices_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "_waits", [])
    waited: list[str] = []

    class Device:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait(self) -> None:
            waited.append(self.name)

    one, other = Device("one"), Device("other")
    wait_for(one.wait)
    wait_for(other.wait)
    stopwatch = Timer()
    stopwatch.start()
    stopwatch.stop()
    assert waited == ["one", "other"] * 2
    del one
    assert now() <= now()
    assert waited == [*["one", "other"] * 2, *["other"] * 2]
    wait_for(other.wait)
    assert len(timer._waits) == 2
