"""LevelDB through plyvel.

LevelDB has no read-only mode: opening takes an exclusive lock, writes a new manifest and log and deletes the old ones.
So a database is never opened where it lies. A private folder gets links to its tables, which LevelDB never changes, and
copies of the few small files beside them, and that is opened. This reads databases in read-only folders and those
another process has open, and leaves every byte and date as it was; what was committed up to the opening is what is
seen. The links lead through an open descriptor of the database: when somebody puts another database in its place,
reading on fails rather than mixing the two.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffe_sdk.data.database import Cursor, Database, Handle, Writer, library_text
from caffe_sdk.errors import CorruptFileError, DeviceError, MissingFileError, WriteError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

OPEN_FILES = 100  # as Caffe sets it: LevelDB's own 1000 would use up a process's usual limit of 1024
WRITE_BUFFER = 64 << 20
BATCH_BYTES = 4 << 20
PREFIX = "caffe-sdk-leveldb-"
YOUNG = 60.0  # seconds
TABLES = (".ldb", ".sst")
NOTES = ("LOCK", "LOG", "LOG.old")  # what LevelDB makes anew at every opening
TRIES = 5  # of opening while another process is rearranging the tables


def _plyvel(path: str) -> Any:
    """The module. Raises DeviceError where it is not installed."""
    try:
        import plyvel
    except ImportError as error:
        here = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
        raise DeviceError(
            path,
            f"a LevelDB needs plyvel, which cannot be loaded in {here} ({error})",
            "pip install 'caffe-sdk[leveldb]' (where there is no wheel it needs LevelDB's headers); or convert the "
            "database to LMDB on a computer that has plyvel, and set backend: LMDB",
        ) from None
    return plyvel


class LevelDB(Database):
    """A LevelDB opened for reading."""

    backend = "LEVELDB"

    def _open(self) -> Handle:
        return _Handle(self.path)


class _Handle(Handle):
    """A plyvel database in a private folder, which goes away with it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._plyvel = _plyvel(path)
        self.errors = (self._plyvel.Error, RuntimeError)
        for attempt in range(1, TRIES + 1):
            self._snapshot = _Snapshot(path)
            try:
                self._db = self._plyvel.DB(self._snapshot.folder, max_open_files=OPEN_FILES)
                return
            except self._plyvel.Error as error:
                same = _tables(path) == _tables(self._snapshot.folder)
                self._snapshot.close()
                if same or attempt == TRIES:
                    raise self.error(error) from None

    def cursor(self) -> Cursor:
        return _Cursor(self)

    def iterator(self) -> Any:
        """An iterator that checks what it reads, until somebody has read everything once."""
        return self._db.raw_iterator(fill_cache=False, verify_checksums=self.length is None)

    def count(self) -> int | None:
        return None

    def close(self) -> None:
        self._db.close()
        self._snapshot.close()

    def error(self, error: Exception) -> CorruptFileError:
        """A library's error, with the database in place of its private folder."""
        path = self._snapshot.path
        text = library_text(error).replace(self._snapshot.folder, path)
        return CorruptFileError(path, f"LevelDB cannot read it: {text}", "the database is damaged or has been replaced")


class _Cursor(Cursor):
    """An iterator; the first pass checks the checksums of the tables, which takes as long as reading three times."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle
        self._checks = handle.length is None
        self._iterator = handle.iterator()

    def first(self) -> bool:
        if self._checks and self._handle.length is not None:
            self._iterator.close()
            self._checks, self._iterator = False, self._handle.iterator()
        return self._move(self._iterator.seek_to_first)

    def next(self) -> bool:
        return self._move(self._iterator.next)

    def seek(self, key: bytes) -> bool:
        return self._move(self._iterator.seek, key)

    def _move(self, move: Callable[..., None], *arguments: bytes) -> bool:
        try:
            move(*arguments)
            return bool(self._iterator.valid())
        except self._handle.errors as error:
            raise self._handle.error(error) from None

    def key(self) -> bytes:
        key: bytes = self._iterator.key()
        return key

    def value(self) -> bytes:
        value: bytes = self._iterator.value()
        return value

    def close(self) -> None:
        self._iterator.close()


class _Snapshot:
    """A private folder with links to the tables of a LevelDB and copies of its other files.

    Raises MissingFileError where the database cannot be read and WriteError where the folder cannot be made.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            _sweep()
            self.folder = tempfile.mkdtemp(prefix=PREFIX)
        except OSError as error:
            raise WriteError(
                path, f"no private folder to open it in ({error})", "set TMPDIR to a writable folder"
            ) from None
        self._lock = _lock(self.folder)
        self._descriptor = -1
        try:
            self._fill()
        except FileNotFoundError:
            pass  # another process has just replaced a file: opening will fail, and is tried again
        except PermissionError as error:
            self.close()
            raise MissingFileError(path, f"cannot be read ({error.strerror})", "check its permissions") from None
        except OSError as error:
            self.close()
            raise WriteError(self.folder, f"{path} cannot be linked there ({error})", "set TMPDIR") from None

    def _fill(self) -> None:
        tables = os.path.realpath(self.path)
        if os.path.isdir("/proc/self/fd"):
            self._descriptor = os.open(self.path, os.O_RDONLY)
            tables = f"/proc/self/fd/{self._descriptor}"
        for entry in os.scandir(self.path):
            place = os.path.join(self.folder, entry.name)
            if entry.name.endswith(TABLES):
                os.symlink(os.path.join(tables, entry.name), place)
            elif entry.is_file() and entry.name not in NOTES:
                shutil.copyfile(entry.path, place)

    def close(self) -> None:
        """Remove the folder; the database is not touched."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1


def _lock(folder: str) -> int:
    """A descriptor that shows a private folder to be in use; -1 where it is in use already or there are no locks."""
    if fcntl is None:
        return -1
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _sweep() -> None:
    """Remove the private folders of processes that were killed. Young ones may be about to be locked."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            lock = _lock(str(folder)) if time.time() - folder.stat().st_mtime > YOUNG else -1
        except OSError:  # it is gone, or belongs to somebody else
            continue
        if lock >= 0:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _tables(folder: str) -> set[str]:
    return {name for name in os.listdir(folder) if name.endswith(TABLES)}


class LevelDBWriter(Writer):
    """A LevelDB being made."""

    def __init__(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        self._plyvel = _plyvel(str(path))
        super().__init__(path, overwrite)
        self._size = 0
        self._db = self._open(create_if_missing=True)
        self._batch = self._db.write_batch()

    def _open(self, **options: bool) -> Any:
        try:
            return self._plyvel.DB(
                str(self.folder), write_buffer_size=WRITE_BUFFER, max_open_files=OPEN_FILES, **options
            )
        except self._plyvel.Error as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> WriteError:
        text = library_text(error).replace(str(self.folder), str(self.path))
        return WriteError(str(self.path), f"LevelDB cannot write: {text}", "check the space on the disk")

    def put(self, key: bytes, value: bytes) -> None:
        self._batch.put(key, value)
        self._size += len(key) + len(value)
        if self._size >= BATCH_BYTES:
            self._write()

    def _write(self) -> None:
        try:
            self._batch.write()
        except self._plyvel.Error as error:
            raise self._failure(error) from None
        self._batch.clear()
        self._size = 0

    def _finish(self) -> None:
        self._write()
        self._db.close()
        # Opened once more, LevelDB turns the log of the last records into a table: readers need not do it each time.
        self._open().close()
        for name in NOTES:
            (self.folder / name).unlink(missing_ok=True)

    def _abandon(self) -> None:
        self._db.close()
