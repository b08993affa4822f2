"""Requests that wait: in order of priority and arrival, within limits, each until its deadline."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe_sdk.errors import LimitError, NotReadyError
from caffe_sdk.memory import Array
from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.contexts import ItemShape, Sizes
from caffe_sdk.serving.intake import Batch
from caffe_sdk.serving.requests import NEVER, Pending, Timings

ALONE = 1.0
"""Seconds without two requests at a time after which none waits for company: a lone client's next request comes when it
has the result of this one."""


@dataclass(eq=False)
class Entry:
    """A request on its way through: cut into pieces of which each fits into a batch."""

    batch: Batch
    pending: Pending
    priority: int
    came: int = field(default_factory=time.monotonic_ns)
    id: str = ""
    pieces: int = 1
    timings: Timings = field(default_factory=Timings)
    """Of all its pieces together."""
    _outputs: dict[int, dict[str, Array]] = field(default_factory=dict)

    def cut(self, most: int | None) -> list[Piece]:
        """Its pieces of so many items at most; one piece if any number may be computed at once."""
        step = self.batch.items if most is None else most
        pieces = [Piece(self, start, min(start + step, self.batch.items)) for start in range(0, self.batch.items, step)]
        self.pieces = len(pieces)
        return pieces

    def add(self, start: int, outputs: dict[str, Array], timings: Timings) -> dict[str, Array] | None:
        """The outputs of the piece that begins at ``start``; gives the whole once all pieces are there."""
        self._outputs[start] = outputs
        self.timings = self.timings + timings
        if len(self._outputs) < self.pieces:
            return None
        parts = [outputs for _, outputs in sorted(self._outputs.items())]
        return parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


@dataclass(frozen=True, eq=False)
class Piece:
    """Items of a request that are computed in one batch."""

    entry: Entry
    start: int
    stop: int

    @property
    def items(self) -> int:
        """How many there are."""
        return self.stop - self.start

    @property
    def shape(self) -> ItemShape:
        """Shapes of an item: pieces of one batch are alike."""
        return self.entry.batch.shape

    @property
    def inputs(self) -> dict[str, Array]:
        """The numbers: views of the request's."""
        if self.items == self.entry.batch.items:
            return self.entry.batch.inputs
        return {name: array[self.start : self.stop] for name, array in self.entry.batch.inputs.items()}


class Line:
    """Pieces that wait. Threads may put and take at the same time."""

    def __init__(self, where: str, config: ModelConfig, sizes: Sizes | None, changed: threading.Condition) -> None:
        """``sizes`` are those of batches; None where every request is computed by itself.

        ``changed`` is held whenever the line changes, and notified when a batch may be due sooner.
        """
        self._where, self._config, self._sizes, self._changed = where, config, sizes, changed
        self._levels: dict[int, deque[Piece]] = {level + 1: deque() for level in range(config.priority_levels)}
        self._items: Counter[ItemShape] = Counter()
        self._waiting: Counter[Entry] = Counter()
        """Pieces of each request that are not taken yet."""
        self._bytes = 0
        self.earliest = NEVER
        """The first deadline of those who wait, or one that was there before."""
        self._hurry = self._ended = False
        self._computing = 0
        self._company = -ALONE
        """When a request last came while another waited or was computed."""

    def put(self, entry: Entry, pieces: Sequence[Piece]) -> None:
        """Add a request. LimitError when too many wait, or too many bytes; NotReadyError when the line has ended."""
        if self._is_full(entry):
            self.expire(sweep=True)
        with self._changed:
            if self._ended:
                raise NotReadyError(self._where, "is being unloaded", "ask for another version, or later")
            if self._is_full(entry):
                what = f"{len(self._waiting)} requests of {self._bytes:,} bytes wait already"
                raise LimitError(self._where, what, "send it again later")
            if self._waiting or self._computing:
                self._company = time.monotonic()
            self._waiting[entry] = len(pieces)
            self._bytes += entry.batch.nbytes
            self._levels[entry.priority].extend(pieces)
            self._items[entry.batch.shape] += entry.batch.items
            self.earliest = min(self.earliest, entry.pending.deadline)
            self._changed.notify()

    def due(self) -> float:
        """When a batch is due, by `time.monotonic`, or was; `NEVER` while nobody waits."""
        with self._changed:
            first = self._first()
            if first is None:
                return NEVER
            came = min(level[0].entry.came for level in self._levels.values() if level) / 1e9
            alone = time.monotonic() - self._company >= ALONE
            if self._hurry or alone or self._sizes is None:
                return came
            if self._items[first.shape] >= self._sizes.best(self._sizes.all[-1]):
                return came
            return came + self._config.max_queue_delay_ms / 1e3

    def take(self) -> list[Piece]:
        """The pieces of the next batch if one is due; none if another thread took them.

        The first piece of the highest priority begins it; of those behind it join whose items are alike and fit.
        """
        with self._changed:
            first = self._first()
            if first is None or self.due() > time.monotonic():
                return []
            taken = [first]
            if self._sizes is not None and self._items[first.shape] > first.items:
                room = self._sizes.best(self._items[first.shape], first.items) - first.items
                for piece in self._pieces():
                    if not room:
                        break
                    if piece is not first and piece.shape == first.shape and piece.items <= room:
                        taken.append(piece)
                        room -= piece.items
            self._remove(taken)
            self._computing += 1
            return taken

    def done(self) -> None:
        """What was taken has been computed."""
        with self._changed:
            self._computing -= 1

    def expire(self, sweep: bool = False) -> None:
        """Fail what has passed its deadline. Costs nothing before the first does; a ``sweep`` looks at all in any case.

        What was cancelled meanwhile is forgotten on the way.
        """
        now = time.monotonic()
        if self.earliest > now and not sweep:
            return
        with self._changed:
            waiting = list(self._waiting)
        over = {entry for entry in waiting if entry.pending.over(now)}  # calls back whoever waits, so it holds no lock
        with self._changed:
            self._remove([piece for piece in self._pieces() if piece.entry in over])
            self.earliest = min((entry.pending.deadline for entry in self._waiting), default=NEVER)

    def hurry(self) -> None:
        """Wait for no more company."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()

    def end(self) -> None:
        """Take nothing in any more, and forget what waits."""
        with self._changed:
            self._ended = True
            self._remove(list(self._pieces()))
            self._changed.notify_all()

    # -- with the lock held --------------------------------------------------------------------------------------------

    def _is_full(self, entry: Entry) -> bool:
        more = self._bytes + entry.batch.nbytes
        full = len(self._waiting) >= self._config.max_queue_requests
        return full or (more > self._config.max_queue_bytes and bool(self._waiting))

    def _pieces(self) -> Iterator[Piece]:
        """All pieces, the most urgent first."""
        for level in self._levels.values():
            yield from level

    def _first(self) -> Piece | None:
        return next(self._pieces(), None)

    def _remove(self, pieces: Sequence[Piece]) -> None:
        gone = set(pieces)
        for number, level in self._levels.items():
            while level and level[0] in gone:  # most often that is all
                gone.remove(level.popleft())
            if gone and any(piece in gone for piece in level):
                self._levels[number] = deque(piece for piece in level if piece not in gone)
        for piece in pieces:
            self._items[piece.shape] -= piece.items
            self._waiting[piece.entry] -= 1
            if not self._waiting[piece.entry]:
                del self._waiting[piece.entry]
                self._bytes -= piece.entry.batch.nbytes
            if not self._items[piece.shape]:
                del self._items[piece.shape]
