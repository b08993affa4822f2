"""A version of a model that is being served: requests in, results out."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from caffe_sdk.errors import CaffeError, DeadlineError, InternalError, LimitError, NotReadyError
from caffe_sdk.serving import intake
from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.deploy import Deployed, reshape
from caffe_sdk.serving.requests import InferRequest, InferResult, Pending, TensorSpec, Timings
from caffe_sdk.serving.statistics import Statistics


class ServedModel:
    """A version of a model. All of it may be used from any thread."""

    def __init__(self, name: str, version: str, deployed: Deployed, config: ModelConfig) -> None:
        self.name, self.version, self.config = name, version, config
        self.inputs: tuple[TensorSpec, ...] = deployed.inputs
        self.outputs: tuple[TensorSpec, ...] = deployed.outputs
        self.labels = deployed.labels
        """The classes' names, in their order; None where the version has none."""
        self.record = deployed.record
        """How images become inputs; None where the version does not say."""
        self.statistics = Statistics()
        self._deployed = deployed
        self._where = f"model '{name}' version {version}"
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, f"caffe-{name}")
        self._waiting = 0
        self._ends = False
        self._idle = threading.Condition(self._lock)

    @property
    def takes_images(self) -> bool:
        """Whether requests may have images."""
        try:
            intake.image_input(self._deployed, self._where)
        except CaffeError:
            return False
        return True

    def submit(self, request: InferRequest) -> Pending:
        """Take a request; its result is on the way.

        Raises at once ArgumentError, ShapeError and CorruptFileError for what is wrong with it, LimitError when too
        many wait already, DeadlineError for a deadline that has passed, and NotReadyError when the version is ending.
        Images are decoded here, in the caller's thread.
        """
        began = time.monotonic_ns()
        try:
            batch = intake.take(self._deployed, request, self._where)
            pending = Pending(self._where)
            self._accept(request)
        except CaffeError as error:
            self.statistics.failed(time.monotonic_ns() - began, error.code, taken=False)
            raise
        self._worker.submit(self._run, request, batch, pending, began)
        return pending

    def infer(self, request: InferRequest) -> InferResult:
        """`submit`, and wait for the result."""
        return self.submit(request).result()

    def drain(self, grace: float | None = None) -> bool:
        """Take no more requests and wait, ``grace`` seconds at most, for those under way; says whether all are done."""
        with self._idle:
            self._ends = True
            return self._idle.wait_for(lambda: not self._waiting, grace)

    def close(self) -> None:
        """Take no more requests, end those under way, let the weights go."""
        self.drain(0)
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._deployed.net.close()

    def _accept(self, request: InferRequest) -> None:
        with self._lock:
            if self._ends:
                raise NotReadyError(self._where, "is being unloaded", "ask for another version, or later")
            if request.deadline is not None and request.deadline <= time.monotonic():
                raise DeadlineError(self._where, "the deadline had passed when the request came", "give more time")
            if self._waiting >= self.config.max_queue_requests:
                raise LimitError(self._where, f"{self._waiting} requests wait already", "send it later")
            self._waiting += 1
            self.statistics.took()

    def _run(self, request: InferRequest, batch: intake.Batch, pending: Pending, began: int) -> None:
        started = time.monotonic_ns()
        try:
            if pending.done():
                error = pending.exception()
                assert error is not None
                raise error
            net = self._deployed.net
            if self._deployed.free:
                reshape(net, {name: array.shape for name, array in batch.inputs.items()})
            inputs: dict[str, Any] = dict(batch.inputs)
            views = net.forward(batch.outputs, **inputs)
            outputs = {name: np.array(views[name]) for name in batch.outputs}
            ended = time.monotonic_ns()
            timings = Timings(started - began, 0, ended - started, 0, batch.items)
            self.statistics.executed(batch.items, timings)
            self.statistics.succeeded(ended - began, batch.items, timings)
            pending.succeed(InferResult(self.name, self.version, outputs, request.id, timings))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the worker lives on
            known = error if isinstance(error, CaffeError) else InternalError(self._where, repr(error))
            self.statistics.failed(time.monotonic_ns() - began, known.code)
            pending.fail(known)
        finally:
            with self._idle:
                self._waiting -= 1
                self._idle.notify_all()
