"""What happened to a model's requests, as plain numbers that the doors show in their own ways."""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass, field

from caffe_sdk.serving.requests import Timings


@dataclass
class Duration:
    """How often something happened, and nanoseconds of all times together."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        """It happened ``count`` times more, in ``ns`` nanoseconds together."""
        self.count += count
        self.ns += ns


@dataclass
class BatchStatistics:
    """Executions of one batch size."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)


@dataclass
class Statistics:
    """Numbers of one version of a model since it was loaded. Fill them by the methods; read those of a `snapshot`."""

    success: Duration = field(default_factory=Duration)
    """Requests with a result, and their time from submission to result."""
    fail: Duration = field(default_factory=Duration)
    """Requests that failed once they were taken or refused, cancelled ones included."""
    failures: dict[str, int] = field(default_factory=dict)
    """How many of them, by the code of the error (`caffe_sdk.errors`)."""
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    inference_count: int = 0
    """Items computed."""
    execution_count: int = 0
    """Runs of the net; fewer than requests where batching pays."""
    last_inference: int = 0
    """When the last result was made: milliseconds since 1970."""
    pending: int = 0
    """Requests that are taken and have no result yet."""
    batches: dict[int, BatchStatistics] = field(default_factory=dict)
    """Executions by how many items they computed."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def took(self) -> None:
        """A request was taken."""
        with self._lock:
            self.pending += 1

    def succeeded(self, ns: int, items: int, timings: Timings) -> None:
        """A request that was taken has its result of so many items, ``ns`` after it came."""
        with self._lock:
            self.pending -= 1
            self.success.add(ns)
            for name in ("queue", "compute_input", "compute_infer", "compute_output"):
                getattr(self, name).add(getattr(timings, name))
            self.inference_count += items
            self.last_inference = time.time_ns() // 1_000_000

    def failed(self, ns: int, code: str, taken: bool = True) -> None:
        """A request failed with an error of this code, ``ns`` after it came; or it was refused."""
        with self._lock:
            self.pending -= taken
            self.fail.add(ns)
            self.failures[code] = self.failures.get(code, 0) + 1

    def executed(self, items: int, timings: Timings) -> None:
        """The net was run once for so many items."""
        with self._lock:
            self.execution_count += 1
            batch = self.batches.setdefault(items, BatchStatistics())
            batch.compute_input.add(timings.compute_input)
            batch.compute_infer.add(timings.compute_infer)
            batch.compute_output.add(timings.compute_output)

    def snapshot(self) -> Statistics:
        """The numbers as they are now, which do not change any more."""
        with self._lock:
            kept = {name: copy.deepcopy(value) for name, value in vars(self).items() if name != "_lock"}
        return Statistics(**kept)
