"""What the loops work on."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.window_job import ADDRESSES, PLACES, WINDOW


@pytest.mark.parametrize("kind", [WINDOW, PLACES])
def test_threads_count_tickets_up_where_the_job_begins(kind: np.dtype[np.void]) -> None:
    assert kind.fields is not None
    assert kind.fields["ticket"] == (np.dtype(np.int64), 0)
    assert kind.itemsize == 8 * len(kind.fields)


def test_addresses_are_fields() -> None:
    assert WINDOW.names is not None
    assert set(ADDRESSES) <= set(WINDOW.names)
