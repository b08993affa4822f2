"""LevelDBs, read without LevelDB, which has no read-only mode.

LevelDB itself takes an exclusive lock to open a database, writes a new manifest and log, deletes old files, and maps
tables into memory, so that a table cut short while it is read ends the process. Here the files are only read: databases
may lie in read-only folders or be open in another process, and what is wrong with them is an error. What was committed
up to the opening is what is seen. Tables are opened when their turn comes, in the folder that was opened: when somebody
puts another database in its place, reading on fails rather than mixing the two.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from heapq import merge

from caffe_sdk.data.database import Cursor, Database, Handle
from caffe_sdk.data.datum import Buffer
from caffe_sdk.data.leveldb_state import PUT, State, TableFile, read_state
from caffe_sdk.data.leveldb_tables import Entry, Table, damaged
from caffe_sdk.errors import CaffeError, CorruptFileError, MissingFileError

OPEN_FILES = 100  # as Caffe sets it; a large database has more tables than a process may have open
TRIES = 5  # of opening while another process is rearranging the tables
PAUSE = 0.05  # seconds between them


class LevelDB(Database):
    """A LevelDB opened for reading."""

    backend = "LEVELDB"

    def _open(self) -> Handle:
        return _Handle(self.path)


class _Handle(Handle):
    """The state of a database, and the tables that were read last.

    Checksums are checked until somebody has read everything once, and so knows the ``length``.
    """

    survives_fork = True

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self._lock = threading.Lock()
        self._tables: OrderedDict[int, Table] = OrderedDict()
        self._state = _state(path)
        self._runs = self._state.runs()
        self._folder = os.open(path, os.O_RDONLY) if os.open in os.supports_dir_fd else None
        self._close = weakref.finalize(self, os.close, self._folder) if self._folder is not None else None

    def entries(self, key: bytes) -> Iterator[Entry]:
        """All changes of records whose keys are not below ``key``: in order of the keys, the latest one first."""
        recent = self._state.recent
        runs = [self._run(run, key) for run in self._runs]
        return merge(iter(recent[bisect_left(recent, (key,)) :]), *runs)

    def _run(self, run: list[TableFile], key: bytes) -> Iterator[Entry]:
        for file in run[bisect_left(run, key, key=lambda table: table.last) :]:
            yield from self._table(file).since(key, check=self.length is None)

    def _table(self, file: TableFile) -> Table:
        with self._lock:
            table = self._tables.pop(file.number, None) or self._opened(file)
            self._tables[file.number] = table
            if len(self._tables) > OPEN_FILES:
                self._tables.popitem(last=False)
            return table

    def _opened(self, file: TableFile) -> Table:
        name = self._state.names[file.number]
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        try:
            if self._folder is not None:
                descriptor = os.open(name, flags, dir_fd=self._folder)
            else:
                descriptor = os.open(os.path.join(self.path, name), flags)
        except OSError as error:
            raise damaged(self.path, f"table {name} cannot be opened ({error.strerror})") from None
        return Table(self.path, name, descriptor, file.size)

    def cursor(self) -> Cursor:
        return _Cursor(self)

    def count(self) -> int | None:
        return None

    def close(self) -> None:
        self._tables.clear()
        if self._close is not None:
            self._close()


def _state(path: str) -> State:
    """What a database consists of. Raises MissingFileError, CorruptFileError."""
    for attempt in range(1, TRIES + 1):
        try:
            return read_state(path)
        except PermissionError as error:
            raise MissingFileError(path, f"cannot be read ({error.strerror})", "check its permissions") from None
        except (OSError, CorruptFileError) as error:
            if attempt == TRIES:
                raise error if isinstance(error, CaffeError) else damaged(path, f"has {error}") from None
            time.sleep(PAUSE)
    raise AssertionError  # the last attempt has returned or raised


class _Cursor(Cursor):
    def __init__(self, handle: _Handle) -> None:
        self._handle = handle
        self._records: Iterator[tuple[bytes, memoryview]] = iter(())
        self._record: tuple[bytes, memoryview] | None = None
        self._error: CaffeError | None = None

    def first(self) -> bool:
        return self.seek(b"")

    def seek(self, key: bytes) -> bool:
        self._records, self._error = self._since(key), None
        return self.next()

    def _since(self, key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """The records that are there, each as it was written last."""
        before = None
        for name, order, value in self._handle.entries(key):
            if name != before:
                before = name
                if -order & 0xFF == PUT:
                    yield name, value

    def next(self) -> bool:
        if self._error is not None:  # going on behind a damaged place would look like the end
            raise self._error
        try:
            self._record = next(self._records, None)
        except CaffeError as error:
            self._error = error
            raise
        except OSError as error:
            self._error = damaged(self._handle.path, f"cannot be read ({error.strerror})")
            raise self._error from None
        return self._record is not None

    def key(self) -> bytes:
        return self._record[0] if self._record is not None else b""

    def value(self) -> Buffer:
        return self._record[1] if self._record is not None else b""

    def close(self) -> None:
        self._records, self._record = iter(()), None
