"""A version of a model that is being served: requests in, results out."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from caffe_sdk.errors import ArgumentError, CaffeError, DeadlineError, NotReadyError
from caffe_sdk.serving import intake
from caffe_sdk.serving.batcher import Batcher
from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.contexts import Contexts
from caffe_sdk.serving.deploy import Deployed
from caffe_sdk.serving.line import Entry
from caffe_sdk.serving.processors import Processors
from caffe_sdk.serving.requests import NEVER, InferRequest, InferResult, Pending
from caffe_sdk.serving.statistics import Statistics
from caffe_sdk.serving.warmup import items_are_apart, warm_up

LATER = "ask for another version, or later"


class ServedModel:
    """A version of a model. All of it may be used from any thread."""

    def __init__(
        self, name: str, version: str, deployed: Deployed, config: ModelConfig, processors: Processors
    ) -> None:
        """Make it ready, which takes some runs of the net. It owns the net from now on.

        Raises LimitError when batches need more memory than the configuration allows, and what the net raises.
        """
        self.name, self.version, self.config = name, version, config
        self.inputs, self.outputs = deployed.inputs, deployed.outputs
        self.labels = deployed.labels
        """The classes' names, in their order; None where the version has none."""
        self.record = deployed.record
        """How images become inputs; None where the version does not say."""
        self.statistics = Statistics()
        self._where = f"model '{name}' version {version}"
        self._under_way: set[Pending] = set()
        self._ends = False
        self._changed = threading.Condition()
        self._deployed = _settled(deployed, config, processors, self._where)
        self._batcher = Batcher(name, version, self._deployed, config, processors, self.statistics)
        if self._batcher.sizes is not None and config.warm_up:
            for contexts in self._batcher.contexts:
                warm_up(self._deployed, contexts, self._batcher.sizes, processors)
        self._batcher.start()

    @property
    def batches(self) -> bool:
        """Whether requests are computed together. Not where items of a batch would change each other's results."""
        return self._batcher.sizes is not None and self.config.max_batch_size > 1

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
        came = time.monotonic_ns()
        try:
            deadline, priority = self._deadline(request), self._priority(request)
            batch = intake.take(self._deployed, request, self._where, self.config.max_image_pixels)
            pending = Pending(self._where, lambda *end: self._settle(came, batch.items, *end), deadline)
            self._begin(pending)
        except CaffeError as error:
            self.statistics.failed(time.monotonic_ns() - came, error.code, taken=False)
            raise
        try:
            self._batcher.put(Entry(batch, pending, priority, came, request.id))
        except CaffeError as error:
            pending.fail(error)
            raise
        return pending

    def infer(self, request: InferRequest) -> InferResult:
        """`submit`, and wait for the result."""
        return self.submit(request).result()

    def drain(self, grace: float | None = None) -> bool:
        """Take no more requests and wait, ``grace`` seconds at most, for those under way; says whether all are done."""
        with self._changed:
            self._ends = True
            self._batcher.hurry()
            return self._changed.wait_for(lambda: not self._under_way, grace)

    def close(self) -> None:
        """Take no more requests, fail those under way, let the weights go."""
        self.drain(0)
        with self._changed:
            left = list(self._under_way)
        for pending in left:
            pending.fail(NotReadyError(self._where, "was unloaded", LATER))
        self._batcher.close()
        self._deployed.net.close()

    def _begin(self, pending: Pending) -> None:
        with self._changed:
            if self._ends:
                raise NotReadyError(self._where, "is being unloaded", LATER)
            self._under_way.add(pending)
        self.statistics.took()

    def _settle(
        self, came: int, items: int, pending: Pending, result: InferResult | None, error: CaffeError | None
    ) -> None:
        took = time.monotonic_ns() - came
        if result is not None:
            self.statistics.succeeded(took, items, result.timings)
        elif error is not None:
            self.statistics.failed(took, error.code)
        with self._changed:
            self._under_way.discard(pending)
            self._changed.notify_all()

    def _deadline(self, request: InferRequest) -> float:
        now, default = time.monotonic(), self.config.default_timeout
        if request.deadline is None:
            return NEVER if default is None else now + default
        if request.deadline <= now:
            raise DeadlineError(self._where, "the deadline had passed when the request came", "give it more time")
        return request.deadline

    def _priority(self, request: InferRequest) -> int:
        """As in Triton a priority beyond the last is the last."""
        if request.priority < 0:
            raise ArgumentError(self._where, f"priority {request.priority}", "give 1 or more, or 0 for the default")
        return min(request.priority or self.config.default_priority, self.config.priority_levels)


def _settled(deployed: Deployed, config: ModelConfig, processors: Processors, where: str) -> Deployed:
    """With the last word on whether items of several requests may share a batch."""
    if not deployed.together or config.max_batch_size == 1:
        return deployed
    contexts = Contexts(deployed, config.max_run_bytes, where)
    try:
        return replace(deployed, together=items_are_apart(deployed, contexts, processors))
    finally:
        contexts.close()
