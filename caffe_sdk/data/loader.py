"""What a data layer uses: source, transform and prefetch ring behind ``next()``."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_sdk.data.prefetch import Batch, Filler, Floats, Prefetcher
from caffe_sdk.data.source import Source, place
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import ArgumentError, CaffeError

Shape = tuple[int, ...]


class Batches:
    """Batches that a filler makes, ahead of time by a thread (``prefetch`` buffers; 0 for no thread).

    ``shapes`` are those of the arrays of the first batch. The filler is owned, and closed with this.
    """

    def __init__(self, filler: Filler, shapes: Sequence[Shape], prefetch: int) -> None:
        """Starts no thread yet."""
        self.shapes = list(shapes)
        self._filler = filler
        self._prefetcher = Prefetcher(filler, prefetch)

    def next(self) -> Sequence[Floats]:
        """The arrays of the next batch, valid until the next call.

        Raises DataError naming source and key, FileError, HandleError.
        """
        return self._prefetcher.next().arrays

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
    """Batches of ``batch_size`` transformed records: data (n, channels, height, width) and labels (n,).

    The shape follows the first record of each batch. ``seed`` decides crops and mirroring, for each record by its
    number in the stream. The loader owns the source and closes it.
    """

    def __init__(self, source: Source, transform: Transform, batch_size: int, prefetch: int = 4, seed: int = 0) -> None:
        """Reads the first record and the mean file, so that what is wrong with them is said now. Starts no thread."""
        if batch_size <= 0 or prefetch < 0:
            what = f"batch_size {batch_size} and prefetch {prefetch}"
            raise ArgumentError(source.name, what, "batch_size must be positive, prefetch not negative")
        filler = _Records(source, transform, batch_size, seed)
        super().__init__(filler, [(batch_size, *filler.first_shape()), (batch_size,)], prefetch)
        self._prefetcher.position = source.position


class _Records:
    """Fills batches from the source; used by the prefetching thread, and by the caller while that does not run."""

    def __init__(self, source: Source, transform: Transform, batch_size: int, seed: int) -> None:
        self.name = source.name
        self._source, self._transform = source, transform
        self._batch_size, self._seed = batch_size, seed

    def first_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the first record, transformed."""
        record = self._source.first()
        try:
            shape = self._transform.pixels(record).shape
            self._transform.check(shape)
            return self._transform.output_shape(shape)
        except CaffeError as error:
            raise error.at(place(self.name, record.key)) from None

    def fill(self, batch: Batch) -> None:
        """The next records, each transformed while its bytes are still in the processor's cache."""
        for row in range(self._batch_size):
            record = self._source.read()
            try:
                if row == 0:
                    shape = self._transform.output_shape(self._transform.pixels(record).shape)
                    data, labels = batch.fit((self._batch_size, *shape), (self._batch_size,))
                self._transform.apply(record, data[row], self._seed)
            except CaffeError as error:
                raise error.at(place(self.name, record.key)) from None
            labels[row] = record.label
        batch.position = self._source.position

    def seek(self, position: int) -> None:
        """Go on with the record at ``position``."""
        self._source.seek(position)

    def close(self) -> None:
        """Give the source back."""
        self._source.close()
