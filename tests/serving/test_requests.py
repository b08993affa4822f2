"""The promise of a result: from any thread, once, and without losing an error."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError, CancelledError, DeadlineError
from caffe_sdk.serving import InferResult, Pending, Timings

RESULT = InferResult("m", "1", {"y": np.zeros(1)})


def test_a_result_wakes_who_waits() -> None:
    pending = Pending("model 'm'")
    threading.Timer(0.01, pending.succeed, [RESULT]).start()
    assert pending.result(10) is RESULT
    assert pending.done()
    assert pending.exception() is None


def test_an_error_is_raised() -> None:
    pending = Pending("model 'm'")
    assert pending.fail(ArgumentError("here", "wrong"))
    with pytest.raises(ArgumentError, match="here: wrong"):
        pending.result()


def test_waiting_ends() -> None:
    pending = Pending("model 'm'")
    with pytest.raises(DeadlineError, match=r"model 'm': no result in 0\.001 s"):
        pending.result(0.001)
    assert not pending.done()


def test_the_first_end_counts() -> None:
    pending = Pending("model 'm'")
    assert pending.cancel()
    assert not pending.succeed(RESULT)
    assert not pending.cancel()
    with pytest.raises(CancelledError, match="was cancelled"):
        pending.result()


def test_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    pending, seen = Pending("model 'm'"), []

    def broken(_: Pending) -> None:
        raise ValueError("of the callback")

    pending.add_done_callback(broken)
    pending.add_done_callback(seen.append)
    pending.succeed(RESULT)
    pending.add_done_callback(seen.append)
    assert seen == [pending, pending]
    assert "of the callback" in caplog.text


def test_timings_add_up() -> None:
    assert Timings(1, 20, 300, 4000, 8).total == 4321
