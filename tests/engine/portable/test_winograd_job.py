"""What a loop works on."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.portable.winograd_job import JOB


def test_threads_count_up_where_the_job_begins() -> None:
    assert JOB.fields is not None
    assert JOB.fields["ticket"] == (np.dtype(np.int64), 0)
    assert JOB.fields["thread"] == (np.dtype(np.int64), 8)
    assert JOB.itemsize % 8 == 0
