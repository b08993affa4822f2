"""Rows of HDF5 datasets, as Caffe's HDF5Data reads them: a text file lists files that all hold the same datasets.

A listed file may also be NumPy's .npz (or .npy, for the one dataset there is) or MATLAB's .mat; see `array_file`.

Files are streamed, so they may be larger than memory. A file of moderate size is read whole when its turn comes, for
rows in random order would otherwise be read, and unpacked where they are compressed, one by one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.loader import Batches
from caffe_sdk.data.prefetch import Batch
from caffe_sdk.errors import ArgumentError, CaffeError, CorruptFileError, DataError, FileError, MissingFileError
from caffe_sdk.schema.files import read_text

WHOLE = 2**28  # bytes: files up to this size are kept in memory while they are read
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
AHEAD = 2  # batches: one that is used, one that is filled meanwhile

Shape = tuple[int, ...]
Numbers = npt.NDArray[np.int64]


class HDF5Rows:
    """Fills batches of ``batch_size`` rows, one array for each of the datasets ``names``: (batch_size, ...) float32.

    ``source`` is the text file that lists the files, separated by white space; relative paths count from the working
    directory. After the last row comes the first again. With ``shuffle`` every pass through the files has them and
    their rows in another order, decided by ``seed``. Rank number ``rank`` of ``ranks`` gets one of every ``ranks``
    rows.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        names: Sequence[str],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Looks at every file. Raises FileErrors, and DataError for datasets that cannot be used together."""
        self.name = os.fspath(source)
        self.position = 0
        if not 0 <= rank < ranks:
            raise ArgumentError(self.name, f"rank {rank} of {ranks}", "ranks are counted from 0")
        self._names, self._batch_size, self._shuffle, self._seed = list(names), batch_size, shuffle, seed
        self._rank, self._ranks = rank, ranks
        self._paths = read_text(source).split()
        if not self._paths:
            raise DataError(self.name, "lists no files", "give the path of an HDF5 file on each line")
        self._file: Any = None
        self._columns: list[Any] = []
        self._opened = -1
        self._order: tuple[tuple[int, int], Numbers] = ((-1, -1), np.empty(0, np.int64))
        try:
            self._measure()
        except CaffeError:
            self.close()
            raise

    def _measure(self) -> None:
        """The rows of every file, and the shape of a row in each dataset, which all files have in common."""
        lengths: list[int] = []
        for index, path in enumerate(self._paths):
            self._open(index)
            shapes: list[Shape] = [column.shape[1:] for column in self._columns]
            if index == 0:
                self.shapes = [(self._batch_size, *shape) for shape in shapes]
            for name, shape, (_, *first) in zip(self._names, shapes, self.shapes, strict=True):
                if shape != tuple(first):
                    what = f"rows of '{name}' have shape {shape}, those of {self._paths[0]} {tuple(first)}"
                    raise DataError(path, what, "list files whose datasets are alike")
            lengths.append(len(self._columns[0]))
        self._lengths = np.array(lengths, np.int64)
        if not self._lengths.sum():
            raise DataError(self.name, "the files hold no rows", "check how they were made")

    # -- filling -------------------------------------------------------------------------------------------------------

    def fill(self, batch: Batch) -> None:
        """The next rows of this rank. Raises what opening and reading a file can."""
        arrays = batch.fit(*self.shapes)
        for file, rows, places in self._runs():
            self._open(file)
            straight = rows[-1] - rows[0] == len(rows) - 1  # they are sorted, and none comes twice
            chosen = slice(rows[0], rows[-1] + 1) if straight else rows
            with _reading(self._paths[file]):
                for array, column in zip(arrays, self._columns, strict=True):
                    array[places] = column[chosen]
        self.position += self._batch_size * self._ranks
        batch.position = self.position

    def _runs(self) -> Iterator[tuple[int, Numbers, Numbers]]:
        """The next batch in pieces: which file, which of its rows in ascending order, and their places in the batch."""
        numbers = self.position + self._rank + self._ranks * np.arange(self._batch_size)
        passes, offsets = np.divmod(numbers, self._lengths.sum())
        for turn in np.unique(passes):
            files = self._order_of(int(turn), -1, np.arange(len(self._paths)))
            ends = np.cumsum(self._lengths[files])
            within = np.flatnonzero(passes == turn)
            slots = np.searchsorted(ends, offsets[within], side="right")
            for slot in np.unique(slots):
                file, places = int(files[slot]), within[slots == slot]
                length = int(self._lengths[file])
                rows = self._order_of(int(turn), file, offsets[places] - (ends[slot] - length))
                order = np.argsort(rows)
                yield file, rows[order], places[order]

    def _order_of(self, turn: int, file: int, places: Numbers) -> Numbers:
        """Which rows of a file, or which files (file -1), stand at some places in one pass."""
        if not self._shuffle:
            return places
        if file < 0:
            return self._random(turn, file, len(self._paths))[places]
        if self._order[0] != (turn, file):
            self._order = (turn, file), self._random(turn, file, int(self._lengths[file]))
        return self._order[1][places]

    def _random(self, turn: int, file: int, count: int) -> Numbers:
        return np.random.default_rng([self._seed & (2**64 - 1), turn, file + 1]).permutation(count)

    def seek(self, position: int) -> None:
        """Go on with the row at ``position`` of the endless stream. Raises ArgumentError where it is negative."""
        if position < 0:
            raise ArgumentError(self.name, f"position {position}", "positions are counted from 0")
        self.position = position

    # -- files ---------------------------------------------------------------------------------------------------------

    def _open(self, index: int) -> None:
        """Make a file the open one."""
        if index == self._opened:
            return
        import h5py  # takes a quarter of a second to import, and most users never need it

        self.close()
        path = self._paths[index]
        if not os.path.exists(path):
            what = f"Could not open file {path}, which {self.name} lists: it does not exist"
            raise MissingFileError("", what, "paths count from the working directory")
        arrays = array_file(path)
        try:
            self._file = h5py.File(path, "r") if arrays is None else arrays
        except OSError as error:
            raise FileError("", f"Could not open file {path} as HDF5: {error}", "check how it was made") from None
        with _reading(path):
            self._columns = [self._column(path, name) for name in self._names]
        for name, column in zip(self._names, self._columns, strict=True):
            if len(column) != len(self._columns[0]):
                what = f"'{self._names[0]}' has {len(self._columns[0])} rows, '{name}' {len(column)}"
                raise DataError(path, what, "give all datasets as many rows")
        self._opened = index

    def _column(self, path: str, name: str) -> Any:
        """A dataset of the open file, or its numbers when the file is small."""
        dataset = self._file.get("" if "" in self._file else name)
        if dataset is None or not hasattr(dataset, "dtype"):
            held = ", ".join(sorted(self._file)) or "none"
            raise DataError(path, f"has no dataset '{name}'", f"tops are named after datasets; there are: {held}")
        if dataset.dtype.kind not in "fiu" or not dataset.shape:
            what = f"dataset '{name}' has shape {dataset.shape} and type {dataset.dtype}"
            raise DataError(path, what, "give numbers with one row for each example")
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        return dataset[()] if size * len(self._names) <= WHOLE else dataset

    def close(self) -> None:
        """Close the open file."""
        self._opened, self._columns = -1, []
        if self._file is not None:
            if not isinstance(self._file, dict):
                self._file.close()
            self._file = None


def hdf5_batches(
    source: str | os.PathLike[str],
    names: Sequence[str],
    batch_size: int,
    *,
    shuffle: bool = False,
    seed: int = 0,
    rank: int = 0,
    ranks: int = 1,
) -> Batches:
    """The batches of `HDF5Rows`, which see for arguments and errors; the next one is read while one is used."""
    rows = HDF5Rows(source, names, batch_size, shuffle=shuffle, seed=seed, rank=rank, ranks=ranks)
    return Batches(rows, rows.shapes, AHEAD)


def array_file(path: str) -> dict[str, Any] | None:
    """The arrays of a .npz, .npy or .mat file by name, a .npy's under ''; None for files of HDF5, as newer .mat are.

    Arrays of a .mat have the axes that MATLAB shows turned round, so examples come last there, as everywhere in Caffe's
    MATLAB interface. Arrays of a .npy are mapped, not read, so they may be larger than memory. Raises CorruptFileError.
    """
    kind = os.path.splitext(path)[1].lower()
    try:
        if kind == ".npy":
            return {"": np.load(path, mmap_mode="r")}
        if kind == ".npz":
            with np.load(path) as archive:
                return dict(archive)
        if kind == ".mat":
            with open(path, "rb") as file:
                if HDF5_MAGIC in file.read(1024):
                    return None
            import scipy.io

            return {name: np.asarray(value).T for name, value in scipy.io.loadmat(path).items() if name[:2] != "__"}
    except Exception as error:  # noqa: BLE001 - these readers raise whatever a damaged file leads them to
        raise CorruptFileError(path, f"is no readable {kind} file ({error})", "copy or make it again") from None
    return None


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except CaffeError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise CorruptFileError(path, f"does not read: {error}", "copy or make it again") from None
