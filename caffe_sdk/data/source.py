"""Where records come from: a stream that never ends, can be taken up at any position and shared out among ranks."""

from __future__ import annotations

import os
from typing import Protocol

from caffe_sdk.data import draws
from caffe_sdk.data.database import Walk
from caffe_sdk.data.databases import open_database
from caffe_sdk.data.datum import Record, parse
from caffe_sdk.errors import ArgumentError, CaffeError, DataError


class Source(Protocol):
    """A stream of records; after the last one comes the first again.

    ``position`` counts the records of the stream that are behind, those of the other ranks included: it is the same
    number on every rank, and what a snapshot keeps. ``step`` is how far one `read` moves it: the number of ranks.
    ``name`` says in errors where the records come from.
    """

    name: str
    position: int
    step: int

    def first(self) -> Record:
        """The first record of the stream, whatever the position; it tells the shape."""
        ...

    def read(self) -> Record:
        """The next record of this rank; moves ``position`` on."""
        ...

    def seek(self, position: int) -> None:
        """Take the stream up at ``position``."""
        ...

    def close(self) -> None:
        """Give everything back; closing again does nothing."""
        ...


class DatabaseSource:
    """The records of a LevelDB or LMDB in the order of their keys.

    Of every ``ranks`` records rank number ``rank`` reads one, as Caffe does in TRAIN: those at index % ranks == rank.
    ``rand_skip`` passes over a number of records below it, chosen by ``seed``, before the stream begins. Positions are
    found by walking over keys, so going back to one costs no decoding.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        backend: str | int | None = None,
        *,
        rank: int = 0,
        ranks: int = 1,
        rand_skip: int = 0,
        seed: int = 0,
    ) -> None:
        """Raises what `open_database` does, DataError if the database is empty, ArgumentError for a bad rank."""
        self.name = os.fspath(path)
        self.position = 0
        if not 0 <= rank < ranks:
            raise ArgumentError(self.name, f"rank {rank} of {ranks}", "ranks are counted from 0")
        self._rank, self.step = rank, ranks
        self._skip = draws.below(rand_skip, seed, 0, draws.SKIP) if rand_skip else 0
        self._database = open_database(path, backend)
        self._walk = Walk(self._database)
        if not self._walk.seek(0):
            self.close()
            raise DataError(self.name, "the database holds no records", "check how it was made")

    def first(self) -> Record:
        """The first record of the database."""
        with Walk(self._database) as walk:
            walk.seek(0)
            return self._record(walk, 0)

    def read(self) -> Record:
        """The next record of this rank. Raises DataError naming database and key where it is no good Datum."""
        index = self.position + self._rank
        self._find(self._skip + index)
        record = self._record(self._walk, index)
        self.position += self.step
        return record

    def _find(self, number: int) -> None:
        """Go to record ``number`` of the endless stream, which is that number modulo the size of the database."""
        size = self._database.handle.length
        if size is not None:
            number %= size
        if not self._walk.seek(number):
            self._walk.seek(number % self._walk.index)

    def _record(self, walk: Walk, index: int) -> Record:
        key = walk.key()
        try:
            record = parse(walk.value())
        except CaffeError as error:
            raise error.at(place(self.name, key)) from None
        record.key, record.index = key, index
        return record

    def seek(self, position: int) -> None:
        """Take the stream up at ``position``. Raises ArgumentError where it is negative."""
        if position < 0:
            raise ArgumentError(self.name, f"position {position}", "positions are counted from 0")
        self.position = position

    def close(self) -> None:
        """Give the database back."""
        self._walk.close()
        self._database.close()


def place(name: str, key: bytes) -> str:
    """How errors name a record: its source and its key."""
    return f"{name}: record '{key.decode(errors='backslashreplace')}'"
