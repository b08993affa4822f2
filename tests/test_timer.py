"""The stopwatch measures."""

from __future__ import annotations

import logging
import time

import pytest

from caffe_sdk.timer import Timer


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
