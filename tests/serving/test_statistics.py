"""A model's numbers add up, and a snapshot stays as it is."""

from __future__ import annotations

from caffe_sdk.serving import Statistics, Timings


def test_numbers_add_up() -> None:
    statistics = Statistics()
    for _ in range(3):
        statistics.took()
    timings = Timings(queue=5, compute_input=1, compute_infer=10, compute_output=2, batch=4)
    statistics.executed(4, timings)
    statistics.succeeded(20, 3, timings)
    before = statistics.snapshot()
    statistics.succeeded(30, 1, timings)
    statistics.failed(7, "cancelled")
    statistics.failed(1, "shape", taken=False)
    found = statistics.snapshot()
    assert (found.success.count, found.success.ns, found.inference_count, found.execution_count) == (2, 50, 4, 1)
    assert (found.queue.ns, found.compute_input.ns, found.compute_infer.ns, found.compute_output.ns) == (10, 2, 20, 4)
    assert (found.fail.count, found.fail.ns, found.failures) == (2, 8, {"cancelled": 1, "shape": 1})
    assert found.pending == 0
    assert found.batches[4].compute_infer.ns == 10
    assert (before.success.count, before.failures, before.pending) == (1, {}, 2)
