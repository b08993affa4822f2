"""A record that loops work on: each item is taken once, by as many threads as there are, each with its own number."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.portable.job import Record, run
from caffe_sdk.engine.portable.loops.compiled import as_instructions
from caffe_sdk.engine.portable.loops.winograd import LOOPS
from caffe_sdk.engine.portable.winograd_job import JOB
from caffe_sdk.threads import set_num_threads


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_job_without_tiles_only_takes_tickets(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Record] = []
    begin = Record.begin
    monkeypatch.setattr(Record, "begin", lambda record: (made.append(record), begin(record)))
    set_num_threads(threads)
    run("convolve", JOB, {"items": 7, "parts": 1, "parts_of_group": 1, "blocks_out": 1}, threads)
    (record,) = made
    assert int(record.numbers["ticket"][0]) == 7 + threads  # each learns from one more that none are left
    assert int(record.numbers["thread"][0]) == threads
    record.begin()
    assert int(record.numbers["ticket"][0]) == int(record.numbers["thread"][0]) == 0


def test_a_loop_becomes_a_function_of_a_known_name() -> None:
    instructions, native = as_instructions(*LOOPS["transform_filters"])
    assert f"@{native}(" in instructions.replace('"', "")
    assert "transform_filters" in native
