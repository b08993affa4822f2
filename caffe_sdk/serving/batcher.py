"""What waits for one version of a model: put together, run through the net, and the results taken apart."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial

from caffe_sdk.errors import CaffeError, CancelledError, InternalError
from caffe_sdk.memory import Array
from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.contexts import Contexts, Sizes
from caffe_sdk.serving.deploy import Deployed
from caffe_sdk.serving.line import Entry, Line, Piece
from caffe_sdk.serving.processors import Processors, Work
from caffe_sdk.serving.requests import NEVER, InferResult, Timings
from caffe_sdk.serving.statistics import Statistics

log = logging.getLogger(__name__)


class Batcher:
    """What computes one version of a model: a line of requests, and contexts for each instance.

    It is a source of work for the processors: they ask when a batch is due, and compute it.
    """

    def __init__(
        self,
        name: str,
        version: str,
        deployed: Deployed,
        config: ModelConfig,
        processors: Processors,
        statistics: Statistics,
    ) -> None:
        self._name, self._version, self._where = name, version, f"model '{name}' version {version}"
        self._deployed, self._processors, self._statistics = deployed, processors, statistics
        self.sizes = Sizes(config.max_batch_size) if deployed.together else None
        """The sizes of batches; None where every request is computed by itself."""
        self._changed = processors.changed
        self._line = Line(self._where, config, self.sizes, self._changed)
        self.contexts = [Contexts(deployed, config.max_run_bytes, self._where) for _ in range(config.instances)]
        self._free = list(self.contexts)

    def start(self) -> None:
        """Begin to compute."""
        self._processors.add(self)

    def put(self, entry: Entry) -> None:
        """Take a request. LimitError when too many wait, NotReadyError once it was closed."""
        self._line.put(entry, entry.cut(self.sizes.all[-1] if self.sizes is not None else None))

    def hurry(self) -> None:
        """Compute what waits at once: no more will come."""
        self._line.hurry()

    def close(self) -> None:
        """Take nothing more, end what runs if nobody waits for it, and let the clones go."""
        self._line.end()
        self._processors.remove(self)
        with self._changed:
            self._changed.wait_for(lambda: len(self._free) == len(self.contexts))
        for contexts in self.contexts:
            contexts.close()

    # -- work for the processors ---------------------------------------------------------------------------------------

    def due(self) -> float:
        """When a batch is due that an instance is free for, or the deadline of somebody who waits has come."""
        return min(self._line.due() if self._free else NEVER, self._line.earliest)

    def take(self) -> Work:
        """A batch to compute; or those to tell whose deadlines have come."""
        taken = self._line.take() if self._free else []
        return partial(self._next_batch, self._free.pop(), taken) if taken else self._line.expire

    def _next_batch(self, contexts: Contexts, taken: Sequence[Piece]) -> None:
        try:
            pieces = [piece for piece in taken if not piece.entry.pending.over(time.monotonic())]
            if pieces:
                self._compute(contexts, pieces)
        finally:
            with self._changed:
                self._line.done()
                self._free.append(contexts)
                self._changed.notify_all()

    def _compute(self, contexts: Contexts, pieces: Sequence[Piece]) -> None:
        """Run pieces together. If that fails each by itself, so that nobody is hurt by what a neighbour sent."""
        try:
            self._run(contexts, pieces)
        except Exception as error:  # whatever it is, clients are told and the thread lives on
            if len(pieces) > 1:
                for piece in pieces:
                    self._compute(contexts, [piece])
                return
            if not isinstance(error, CaffeError):
                log.error("%s: a batch failed in a way it should not", self._where, exc_info=error)
                error = InternalError(self._where, f"{type(error).__name__}: {error}", "see the server's log")
            pieces[0].entry.pending.fail(error)

    def _run(self, contexts: Contexts, pieces: Sequence[Piece]) -> None:
        started, items = time.monotonic_ns(), sum(piece.items for piece in pieces)
        size = self.sizes.fitting(items) if self.sizes is not None else items
        wanted = list(dict.fromkeys(name for piece in pieces for name in piece.entry.batch.outputs))

        first = pieces[0].entry.pending

        def between() -> None:
            now = time.monotonic()
            if self._line.earliest <= now:
                self._line.expire()
            if first.over(now) and all(piece.entry.pending.over(now) for piece in pieces):
                raise CancelledError(self._where, "nobody waits for this batch any more")

        try:
            computed = contexts.run([piece.inputs for piece in pieces], size, wanted, between)
        except CancelledError:
            return
        self._statistics.executed(items, computed.timings)
        for piece, outputs in zip(pieces, computed.outputs, strict=True):
            self._hand_out(piece, outputs, started, computed.timings)
        if self.sizes is not None:
            self.sizes.took(size, computed.timings.compute_infer / 1e9)

    def _hand_out(self, piece: Piece, outputs: dict[str, Array], started: int, timings: Timings) -> None:
        entry = piece.entry
        own = {name: outputs[name] for name in entry.batch.outputs}
        queued = Timings(queue=started - entry.came)
        whole = entry.add(piece.start, own, queued + timings)
        if whole is not None and not entry.pending.over(time.monotonic()):
            entry.pending.succeed(InferResult(self._name, self._version, whole, entry.id, entry.timings))
