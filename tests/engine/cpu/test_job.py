"""A job: each item is taken once, by as many threads as there are."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.winograd_job import JOB
from caffe_sdk.threads import set_num_threads


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", ["convolve", "transform_filters"])
def test_a_job_without_tiles_only_takes_tickets(name: str, threads: int) -> None:
    set_num_threads(threads)
    job = Job(name, JOB, {"items": 7, "parts": 1, "parts_of_group": 1, "blocks_out": 1})
    for _ in range(2):
        job.run()
        assert int(job.numbers["ticket"][0]) == 7 + threads  # each learns from one more that none are left
