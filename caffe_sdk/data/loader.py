"""What a data layer uses: source, transform and prefetch ring behind ``next()``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.prefetch import Batch, Prefetcher
from caffe_sdk.data.source import Source, place
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import ArgumentError, CaffeError

Floats = npt.NDArray[np.float32]


class Loader:
    """Batches of ``batch_size`` transformed records, made ahead by a thread (``prefetch`` buffers; 0 for no thread).

    ``shapes`` are those of data (n, channels, height, width) and labels (n,), by the first record. ``seed`` decides
    crops and mirroring, for each record by its number in the stream. The loader owns the source and closes it.
    """

    def __init__(self, source: Source, transform: Transform, batch_size: int, prefetch: int = 4, seed: int = 0) -> None:
        """Reads the first record and the mean file, so that what is wrong with them is said now. Starts no thread."""
        if batch_size <= 0 or prefetch < 0:
            what = f"batch_size {batch_size} and prefetch {prefetch}"
            raise ArgumentError(source.name, what, "batch_size must be positive, prefetch not negative")
        self._source = source
        filler = _Filler(source, transform, batch_size, seed)
        channels, height, width = filler.first_shape()
        self.shapes: tuple[tuple[int, int, int, int], tuple[int]] = (
            (batch_size, channels, height, width),
            (batch_size,),
        )
        self._prefetcher = Prefetcher(filler, prefetch)
        self._prefetcher.position = source.position

    def next(self) -> tuple[Floats, Floats]:
        """The next batch: data (n, channels, height, width) and labels (n,), valid until the next call.

        The shape follows the first record of each batch. Raises DataError naming source and key, FileError,
        HandleError.
        """
        batch = self._prefetcher.next()
        return batch.data, batch.labels

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
        self._source.close()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Filler:
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
                    self._fit(batch, self._transform.output_shape(self._transform.pixels(record).shape))
                self._transform.apply(record, batch.data[row], self._seed)
            except CaffeError as error:
                raise error.at(place(self.name, record.key)) from None
            batch.labels[row] = record.label
        batch.position = self._source.position

    def _fit(self, batch: Batch, shape: tuple[int, int, int]) -> None:
        """Make the buffers anew where the shape is another one."""
        if batch.data.shape != (self._batch_size, *shape):
            batch.data = np.empty((self._batch_size, *shape), np.float32)
            batch.labels = np.empty(self._batch_size, np.float32)

    def seek(self, position: int) -> None:
        """Go on with the record at ``position``."""
        self._source.seek(position)
