"""What the loops work on."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.cpu.lanes_job import IMAGES, LANES, ROWS, WINDOW


def test_threads_count_tickets_up_where_the_job_begins() -> None:
    assert LANES.fields is not None
    assert LANES.fields["ticket"] == (np.dtype(np.int64), 0)
    assert LANES.itemsize == 8 * len(LANES.fields)


def test_sums_have_room_in_32_registers() -> None:
    assert ROWS * IMAGES + IMAGES < 32
    assert WINDOW == 2
