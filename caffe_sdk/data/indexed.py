"""Sources whose records can be asked for by number, in the order they are in or shuffled anew for every pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from caffe_sdk.data import draws
from caffe_sdk.data.datum import Record
from caffe_sdk.errors import ArgumentError


class IndexedSource(ABC):
    """A stream over numbered records; a `caffe_sdk.data.source.Source`.

    With ``shuffle`` every pass has another order, decided by ``seed``. ``rand_skip`` passes over a number of records
    below it, chosen by ``seed``, before the stream begins. Rank number ``rank`` of ``ranks`` gets one of every
    ``ranks`` records.
    """

    def __init__(
        self, name: str, *, shuffle: bool = False, rand_skip: int = 0, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        """``name`` is what errors call the source. Raises ArgumentError for a bad rank."""
        self.name = name
        self.position = 0
        self.step = ranks
        if not 0 <= rank < ranks:
            raise ArgumentError(name, f"rank {rank} of {ranks}", "ranks are counted from 0")
        self._rank, self._shuffle, self._seed = rank, shuffle, seed
        self._skip = draws.below(rand_skip, seed, 0, draws.SKIP) if rand_skip else 0
        self._order: tuple[int, npt.NDArray[np.int64]] = -1, np.empty(0, np.int64)

    @abstractmethod
    def __len__(self) -> int:
        """How many records one pass has; more than 0."""

    @abstractmethod
    def record(self, number: int) -> Record:
        """Record ``number`` of a pass in its own order; its place in the stream is set by the caller."""

    def first(self) -> Record:
        """The first record of the stream."""
        return self._at(0)

    def read(self) -> Record:
        """The next record of this rank. What is slow about it waits until its pixels are asked for."""
        record = self._at(self.position + self._rank)
        self.position += self.step
        return record

    def _at(self, index: int) -> Record:
        turn, number = divmod(self._skip + index, len(self))
        record = self.record(int(self._permutation(turn)[number]) if self._shuffle else number)
        record.index = index
        return record

    def _permutation(self, turn: int) -> npt.NDArray[np.int64]:
        if self._order[0] != turn:
            generator = np.random.default_rng([self._seed & (2**64 - 1), turn])
            self._order = turn, generator.permutation(len(self))
        return self._order[1]

    def seek(self, position: int) -> None:
        """Take the stream up at ``position``. Raises ArgumentError where it is negative."""
        if position < 0:
            raise ArgumentError(self.name, f"position {position}", "positions are counted from 0")
        self.position = position

    def close(self) -> None:
        """Let the order go; nothing is held open."""
        self._order = -1, np.empty(0, np.int64)
