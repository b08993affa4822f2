"""LMDB through the lmdb package. A database is read without a lock, so one in a read-only folder can be read too."""

from __future__ import annotations

import os
from typing import Any

import lmdb

from caffe_sdk.data.database import Cursor, Database, Handle, Writer, library_text, missing
from caffe_sdk.errors import CorruptFileError, FileError, WriteError

FIRST_MAP = 64 << 20
BATCH_BYTES = 4 << 20


class LMDB(Database):
    """An LMDB opened for reading."""

    backend = "LMDB"

    def _open(self) -> Handle:
        return _Handle(self.path)


class _Handle(Handle):
    """A read-only environment: a map of the file into memory, without threads that a fork would lose.

    A forked child must use it too, as LMDB allows a process, and so its child, one opening of the same file.
    """

    survives_fork = True

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        folder = os.path.isdir(path)
        self._name = os.path.join(path, "data.mdb") if folder else path
        try:
            self._file = os.open(self._name, os.O_RDONLY)
        except OSError as error:
            raise missing(path, error) from None
        try:
            self._environment = lmdb.open(path, subdir=folder, readonly=True, lock=False, create=False)
        except lmdb.Error as error:
            os.close(self._file)
            if "already open" in str(error):
                what = "is open in this process through the lmdb package itself"
                raise FileError(path, what, "close it there first: LMDB allows one opening a process") from None
            what = f"LMDB cannot open it: {library_text(error)}"
            raise CorruptFileError(path, what, "the database is damaged") from None
        self._needed = (self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"]
        try:
            self.check_size()
        except CorruptFileError:
            self.close()
            raise

    def check_size(self) -> None:
        """Refuse a file cut short: touching a page of the map that is not in the file would end the process."""
        size = os.fstat(self._file).st_size
        if size < self._needed:
            raise CorruptFileError(
                self._name, f"has {size} bytes of {self._needed}", "the file is cut short: copy it again"
            )

    def cursor(self) -> Cursor:
        self.check_size()
        try:
            return _Cursor(self._environment.begin(), self)
        except lmdb.Error as error:
            raise CorruptFileError(self.path, f"LMDB cannot read it: {library_text(error)}") from None

    def count(self) -> int | None:
        self.check_size()
        return int(self._environment.stat()["entries"])

    def close(self) -> None:
        self._environment.close()
        os.close(self._file)


class _Cursor(Cursor):
    """A cursor with a read transaction of its own. Before it touches a record it sees that the file is still whole."""

    def __init__(self, transaction: Any, handle: _Handle) -> None:
        self._transaction, self._handle = transaction, handle
        self._cursor = transaction.cursor()

    def first(self) -> bool:
        return self._move(self._cursor.first)

    def next(self) -> bool:
        return self._move(self._cursor.next)

    def seek(self, key: bytes) -> bool:
        return self._move(self._cursor.set_range, key)

    def _move(self, move: Any, *arguments: bytes) -> bool:
        self._handle.check_size()
        try:
            return bool(move(*arguments))
        except lmdb.Error as error:
            what = f"LMDB cannot read on: {library_text(error)}"
            raise CorruptFileError(self._handle.path, what, "the database is damaged") from None

    def key(self) -> bytes:
        key: bytes = self._cursor.key()
        return key

    def value(self) -> bytes:
        self._handle.check_size()
        value: bytes = self._cursor.value()
        return value

    def close(self) -> None:
        self._cursor.close()
        self._transaction.abort()


class LMDBWriter(Writer):
    """An LMDB being made. Its map, and so the size it may reach, doubles whenever it is full."""

    def __init__(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        super().__init__(path, overwrite)
        self._batch: list[tuple[bytes, bytes]] = []
        self._size = 0
        try:
            # No lock file, as nobody else knows the folder; no flush at every commit, but one at the end.
            self._environment = lmdb.open(str(self.folder), map_size=FIRST_MAP, lock=False, sync=False)
        except lmdb.Error as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> WriteError:
        text = library_text(error).replace(str(self.folder), str(self.path))
        return WriteError(str(self.path), f"LMDB cannot write: {text}", "check the space on the disk")

    def put(self, key: bytes, value: bytes) -> None:
        self._batch.append((key, value))
        self._size += len(key) + len(value)
        if self._size >= BATCH_BYTES:
            self._write()

    def _write(self) -> None:
        try:
            while not self._committed():
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
        except lmdb.Error as error:
            raise self._failure(error) from None
        self._batch.clear()
        self._size = 0

    def _committed(self) -> bool:
        """Whether the batch went in; False where the map is full."""
        try:
            with self._environment.begin(write=True) as transaction:
                for key, value in self._batch:
                    transaction.put(key, value)
        except lmdb.MapFullError:
            return False
        return True

    def _finish(self) -> None:
        self._write()
        try:
            self._environment.sync(True)
        except lmdb.Error as error:
            raise self._failure(error) from None
        self._environment.close()

    def _abandon(self) -> None:
        self._environment.close()
