"""What goes into a served model and what comes out: requests, results, and the promise of a result."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from caffe_sdk.errors import CaffeError, CancelledError, DeadlineError
from caffe_sdk.memory import Array

log = logging.getLogger(__name__)

NEVER = float("inf")
"""The deadline of what has none."""

FP32 = "FP32"
"""The type of every input and output, by the name of the Open Inference Protocol: nets compute with float32."""


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model."""

    name: str
    shape: tuple[int, ...]
    """Sizes of the axes; -1 for the batch, which is free. An output of one number has ()."""
    datatype: str = FP32


@dataclass(frozen=True, eq=False)
class InferRequest:
    """One client's wish. Give ``inputs``, or ``images`` for a model with one input; both only for different inputs."""

    inputs: Mapping[str, Array] = field(default_factory=dict)
    """Numbers of any type by input blob; the first axis counts the items, as many for each input."""
    images: Sequence[bytes] | None = None
    """Or encoded images (PNG, JPEG, ...) for the input that takes images, prepared as the model's record says."""
    outputs: Sequence[str] = ()
    """The blobs that are wanted; none named: the net's outputs."""
    priority: int = 0
    """1 is served first, as Triton counts; 0 is the model's default."""
    deadline: float | None = None
    """When the result is of no use any more, by `time.monotonic`; None: the model's default timeout from now."""
    id: str = ""
    """Comes back with the result."""


@dataclass(frozen=True)
class Timings:
    """Where a request's time went, in nanoseconds."""

    queue: int = 0
    """Waiting, for company and for its turn."""
    compute_input: int = 0
    """Putting the batch's numbers in place."""
    compute_infer: int = 0
    """The net's run."""
    compute_output: int = 0
    """Taking results apart."""
    batch: int = 0
    """Items computed together with this request's, its own included."""

    @property
    def total(self) -> int:
        """All together."""
        return self.queue + self.compute_input + self.compute_infer + self.compute_output

    def __add__(self, other: Timings) -> Timings:
        """Of two batches, one after the other; the time in the queue is until the first."""
        return Timings(
            self.queue or other.queue,
            self.compute_input + other.compute_input,
            self.compute_infer + other.compute_infer,
            self.compute_output + other.compute_output,
            self.batch + other.batch,
        )


@dataclass(frozen=True, eq=False)
class InferResult:
    """What a model made of a request. The arrays belong to whoever gets them."""

    model: str
    version: str
    outputs: dict[str, Array]
    id: str = ""
    timings: Timings = Timings()


Settled = Callable[["Pending", InferResult | None, CaffeError | None], None]


class Pending:
    """The result of a request that may still be on its way. Safe to use from any thread."""

    def __init__(self, where: str, settled: Settled | None = None, deadline: float = NEVER) -> None:
        """``where`` names the model in errors; ``settled`` hears of the end before anybody else."""
        self.where, self.deadline = where, deadline
        self._settled = settled
        self._lock = threading.Lock()
        self._running = threading.Lock()  # held until the end: to wait for it takes one step, which no Condition does
        self._running.acquire()
        self._result: InferResult | None = None
        self._error: CaffeError | None = None
        self._callbacks: list[Callable[[Pending], None]] = []

    def result(self, timeout: float | None = None) -> InferResult:
        """Wait for the result, at most ``timeout`` seconds.

        Raises what became of the request instead (CancelledError, DeadlineError, ...), and DeadlineError when the
        timeout passes; the request then goes on.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        assert self._result is not None
        return self._result

    def exception(self, timeout: float | None = None) -> CaffeError | None:
        """As `result`, but returns the request's error; None when it succeeded."""
        left = min(max(0.0, self.deadline - time.monotonic()), threading.TIMEOUT_MAX)
        done = self._running.acquire(timeout=left if timeout is None else max(0.0, min(left, timeout)))
        if done:
            self._running.release()  # for others who wait
        elif not self.over(time.monotonic()):
            raise DeadlineError(self.where, f"no result in {timeout} s", "wait longer")
        return self._error

    def over(self, now: float) -> bool:
        """Whether nobody waits for the result any more; once the deadline has passed it fails."""
        if not self.done() and self.deadline <= now:
            self.fail(DeadlineError(self.where, "the deadline passed before the result was there", "give it more time"))
        return self.done()

    def done(self) -> bool:
        """Whether there is a result or an error."""
        return self._result is not None or self._error is not None

    def cancel(self) -> bool:
        """Give the request up: `result` raises CancelledError from now on. False when it is done already.

        One that waits is never run; one that runs is ended between two layers if nobody waits for its neighbours.
        """
        return self.fail(CancelledError(self.where, "the request was cancelled", "send it again"))

    def add_done_callback(self, callback: Callable[[Pending], None]) -> None:
        """Call ``callback(self)`` once it is done, in the thread that finishes it; at once if it is done already."""
        with self._lock:
            if not self.done():
                self._callbacks.append(callback)
                return
        self._call(callback)

    def succeed(self, result: InferResult) -> bool:
        """Whoever computes gives the result. False when the request is done already."""
        return self._finish(result, None)

    def fail(self, error: CaffeError) -> bool:
        """Whoever computes gives up. False when the request is done already."""
        return self._finish(None, error)

    def _finish(self, result: InferResult | None, error: CaffeError | None) -> bool:
        with self._lock:
            if self.done():
                return False
            self._result, self._error = result, error
            if self._settled is not None:
                self._settled(self, result, error)
            callbacks, self._callbacks = self._callbacks, []
            self._running.release()
        for callback in callbacks:
            self._call(callback)
        return True

    def _call(self, callback: Callable[[Pending], None]) -> None:
        try:
            callback(self)
        except Exception:
            log.exception("%s: a callback of a request failed", self.where)
