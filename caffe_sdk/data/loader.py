"""What a data layer uses: source, transform and prefetch ring behind ``next()``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from caffe_sdk.cargo import Carrier, Images
from caffe_sdk.data.datum import Pixels, Record
from caffe_sdk.data.parallel import ordered_map
from caffe_sdk.data.prefetch import Batch, Filler, Floats, Prefetcher
from caffe_sdk.data.skips import Skips
from caffe_sdk.data.source import Source, place
from caffe_sdk.data.transform import Cut, Transform
from caffe_sdk.errors import ArgumentError, CaffeError, DataError

MOST_THREADS = 4  # that decode, unless more are asked for: the net needs processors too

Shape = tuple[int, ...]


class Batches:
    """Batches that a filler makes, ahead of time by a thread (``prefetch`` buffers; 0 for no thread).

    ``shapes`` are those of the arrays of the first batch. The filler is owned, and closed with this.
    """

    def __init__(self, filler: Filler, shapes: Sequence[Shape], prefetch: int, skips: Skips | None = None) -> None:
        """Starts no thread yet. ``skips`` are the filler's, if it can pass over bad records."""
        self.shapes = list(shapes)
        self._skips = skips
        self._filler = filler
        self._prefetcher = Prefetcher(filler, prefetch)

    @property
    def ahead(self) -> bool:
        """Whether batches are made before they are asked for."""
        return self._prefetcher.ahead

    def next_batch(self, carrier: Carrier | None = None, sink: Floats | None = None) -> Batch:
        """The next batch, to be put where it belongs before the next call. A carrier takes the following ones ahead.

        ``sink`` is where its first array will be put if nothing unforeseen happens, and holds anything after an error.
        Raises DataError naming source and key, FileError, HandleError.
        """
        return self._prefetcher.next(carrier, sink)

    def next(self) -> Sequence[Floats]:
        """The next batch as arrays, valid until the next call. Raises what `next_batch` does."""
        batch = self.next_batch()
        if batch.deferred is None:
            return batch.arrays
        first = np.empty(batch.shapes[0], np.float32)
        batch.put(0, first)
        return [first, *batch.arrays]

    @property
    def skipped(self) -> int:
        """How many bad records have been passed over so far, those read ahead included."""
        return self._skips.count if self._skips is not None else 0

    @property
    def position(self) -> int:
        """How many records of the stream the batches given out have used up, those of all ranks; see `Source`."""
        return self._prefetcher.position

    def seek(self, position: int) -> None:
        """Go on as if ``position`` records had been used up: the following batches are the same as they were then."""
        self._prefetcher.seek(position)

    def close(self) -> None:
        """Stop the thread and close the source; closing again does nothing."""
        self._prefetcher.close()
        self._filler.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Loader(Batches):
    """Batches of ``batch_size`` transformed records: data (n, channels, height, width) and labels (n,) or (n, labels).

    The shape follows the first record of each batch. ``seed`` decides crops and mirroring, for each record by its
    number in the stream. Images are decoded by ``threads`` threads (0 chooses); the batches do not depend on them. The
    loader owns the source and closes it.

    With ``skip_bad`` the next good record takes the place of one that cannot be used, also of one that has another
    shape than the first. So positions, epochs and the records of other ranks stay what they were. Each is written to
    the log, and counted in ``skipped``. A database that cannot be read on is an error all the same, and so are
    a thousand bad records one after the other.
    """

    def __init__(
        self,
        source: Source,
        transform: Transform,
        batch_size: int,
        prefetch: int = 4,
        seed: int = 0,
        *,
        threads: int = 0,
        skip_bad: bool = False,
    ) -> None:
        """Reads the first record and the mean file, so that what is wrong with them is said now. Starts no thread."""
        if batch_size <= 0 or prefetch < 0:
            what = f"batch_size {batch_size} and prefetch {prefetch}"
            raise ArgumentError(source.name, what, "batch_size must be positive, prefetch not negative")
        threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
        records = _Records(source, transform, batch_size, seed, threads, skip_bad)
        try:
            data, label = records.first_shapes()
        except CaffeError:
            source.close()
            raise
        super().__init__(records, [(batch_size, *data), (batch_size, *label)], prefetch, records.skips)
        self._prefetcher.position = source.position


@dataclass(slots=True)
class _Ready:
    """A record ready for its row of the batch."""

    cut: Cut
    label: Floats
    key: bytes

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        """Of the row of data and of the label."""
        return self.cut.shape, self.label.shape


@dataclass(slots=True)
class _Rows:
    """The data of a batch: records cut, but not yet floats."""

    shape: Shape
    cuts: list[Cut]
    transform: Transform

    def put(self, out: Floats) -> None:
        for cut, row in zip(self.cuts, out, strict=True):
            self.transform.put(cut, row)

    def images(self) -> Images | None:
        return self.transform.images(self.cuts)


@dataclass(slots=True)
class _Written:
    """The data of a batch that is where it belongs already."""

    shape: Shape
    numbers: Floats

    def put(self, out: Floats) -> None:
        if not np.may_share_memory(self.numbers, out):
            out[...] = self.numbers

    def images(self) -> Images | None:
        return None


class _Records:
    """Fills batches from the source; used by the prefetching thread, and by the caller while that does not run."""

    def __init__(
        self, source: Source, transform: Transform, batch_size: int, seed: int, threads: int, skip_bad: bool
    ) -> None:
        self.name = source.name
        self.skips = Skips(source.name, skip_bad)
        self._source, self._transform = source, transform
        self._batch_size, self._seed = batch_size, seed
        self._threads = threads
        self._shapes: tuple[Shape, Shape] | None = None  # what every record must have, where bad ones are skipped
        self._room: Pixels | None = None  # for the next image, where one becomes floats before the next is decoded

    def first_shapes(self) -> tuple[Shape, Shape]:
        """(channels, height, width) of the first record, or the first good one, transformed; the shape of its label."""
        start = self._source.position
        first = self.skips.tried(self._first)
        if isinstance(first, CaffeError):
            first = self._good_from(start, first)
            self._source.seek(start)
        if self.skips.allowed:
            self._shapes = first.shapes
        return first.shapes

    def fill(self, batch: Batch) -> None:
        """The next records: read one after the other, cut by several threads where they are images, put in order.

        One thread alone puts each where it belongs before it cuts the next, if that is known: pixels stay in the cache.
        """
        start, step = self._source.position, self._source.step
        places = range(start, start + self._batch_size * step, step)
        rooms = [cut.pixels for cut in batch.deferred.cuts] if isinstance(batch.deferred, _Rows) else []
        records = (self.skips.tried(self._read, position) for position in places)
        sink = batch.sink if self._threads == 1 else None
        results = self._cut_all(records, rooms) if sink is None else self._cut_in_turn(records)
        rows: list[_Ready] = []
        for position, result in zip(places, results, strict=True):
            shapes = self._shapes or (rows[0].shapes if rows else None)
            ready = result if isinstance(result, CaffeError) else self.skips.tried(self._fitting, result, shapes)
            if isinstance(ready, CaffeError):
                self.skips.tell(ready)
                ready = self._good_from(position + step, ready)
            if sink is not None and sink.shape != (self._batch_size, *ready.cut.shape):
                sink = self._room = None
            if sink is not None:
                self._transform.put(ready.cut, sink[len(rows)])
                self._room = ready.cut.pixels
            rows.append(ready)
        self._source.seek(places.stop)
        (labels,) = batch.fit((self._batch_size, *rows[0].label.shape))
        for row, ready in enumerate(rows):
            labels[row] = ready.label
        cuts = [ready.cut for ready in rows]
        shape = self._batch_size, *cuts[0].shape
        batch.deferred = _Rows(shape, cuts, self._transform) if sink is None else _Written(shape, sink)
        batch.position = places.stop

    def seek(self, position: int) -> None:
        """Go on with the record at ``position``."""
        self._source.seek(position)

    def close(self) -> None:
        """Give the source back."""
        self._source.close()

    # -- one record ----------------------------------------------------------------------------------------------------

    def _first(self) -> _Ready:
        return self._cut(self._source.first())

    def _read(self, position: int) -> Record:
        if position != self._source.position:
            self._source.seek(position)
        return self._source.read()

    def _cut(self, record: Record, room: Pixels | None = None) -> _Ready:
        try:
            cut = self._transform.cut(record, self._seed, room)
        except CaffeError as error:
            raise error.at(place(self.name, record.key)) from None
        return _Ready(cut, np.asarray(record.label, np.float32), record.key)

    def _cut_all(
        self, records: Iterable[Record | CaffeError], rooms: Sequence[Pixels]
    ) -> Iterable[_Ready | CaffeError]:
        """Each record cut, by several threads where there are images to decode: into the rooms of an earlier batch."""

        def cut(item: tuple[Record | CaffeError, Pixels | None]) -> _Ready | CaffeError:
            record, room = item
            return record if isinstance(record, CaffeError) else self.skips.tried(self._cut, record, room)

        items = list(zip_longest(records, rooms))
        slow = any(isinstance(record, Record) and record.array is None for record, _ in items)
        return ordered_map(cut, items, self._threads) if slow and self._threads > 1 else map(cut, items)

    def _cut_in_turn(self, records: Iterable[Record | CaffeError]) -> Iterator[_Ready | CaffeError]:
        """Each record read and cut when it is asked for, into the room there is then."""
        for record in records:
            yield record if isinstance(record, CaffeError) else self.skips.tried(self._cut, record, self._room)

    def _fitting(self, ready: _Ready, shapes: tuple[Shape, Shape] | None) -> _Ready:
        """The record, if it has the shapes of the others. Raises DataError."""
        for what, one, others in zip(("", "a label of "), ready.shapes, shapes or ready.shapes, strict=True):
            if one != others:
                words = f"is {what}{_text(one)} in a batch of {_text(others)}"
                remedy = "all records of a batch must have one shape: resize them, or set crop_size"
                raise DataError(place(self.name, ready.key), words, remedy)
        return ready

    def _good_from(self, position: int, error: CaffeError) -> _Ready:
        """The first good record from ``position`` on."""

        def attempt(number: int) -> _Ready | CaffeError:
            record = self.skips.tried(self._read, position + number * self._source.step)
            ready = record if isinstance(record, CaffeError) else self.skips.tried(self._cut, record)
            return ready if isinstance(ready, CaffeError) else self.skips.tried(self._fitting, ready, self._shapes)

        return self.skips.next_good(error, attempt)


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
