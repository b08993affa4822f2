"""The loops behind Winograd's filtering: what threads agree on, and that each loop is compiled once."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import winograd_kernels as kernels


def test_threads_count_tickets_up_where_the_job_begins() -> None:
    assert kernels.JOB.fields is not None
    assert kernels.JOB.fields["ticket"] == (np.dtype(np.int64), 0)
    assert kernels.JOB.itemsize % 8 == 0


@pytest.mark.parametrize("name", ["convolve", "transform_filters"])
def test_a_job_without_items_is_done_at_once(name: str) -> None:
    job = np.zeros(1, kernels.JOB)
    loop = kernels.compiled(getattr(kernels, name))
    assert kernels.compiled(getattr(kernels, name)) is loop
    loop.ctypes(job.ctypes.data)
    assert int(job["items"][0]) == 0
