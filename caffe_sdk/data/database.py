"""What a database of records is, whichever library keeps it: opened once a process, walked in the order of its keys.

`Database` and `Writer` are the two interfaces, `Walk` a place in a database. Opening the same database again, as the
TRAIN and the TEST net of one process do, shares one handle of the library, counted and locked; the last ``close`` gives
it back.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from caffe_sdk.data.datum import Buffer
from caffe_sdk.errors import HandleError, MissingFileError, WriteError

Identity = tuple[object, ...]

STRIDE = 1024  # the keys of every so many records are remembered, so that going back to a position is cheap


class Cursor(ABC):
    """A library's own cursor. The moves say whether there is a record; ``key`` and ``value`` belong to it."""

    @abstractmethod
    def first(self) -> bool:
        """Go to the first record."""

    @abstractmethod
    def next(self) -> bool:
        """Go to the following record."""

    @abstractmethod
    def seek(self, key: bytes) -> bool:
        """Go to the first record whose key is not below ``key``."""

    @abstractmethod
    def key(self) -> bytes:
        """The key of the record."""

    @abstractmethod
    def value(self) -> Buffer:
        """The bytes of the record; a view of them may be one of a larger piece that was read."""

    @abstractmethod
    def close(self) -> None:
        """Give the cursor back; closing again does nothing."""


class Handle(ABC):
    """An open database of a library, shared by everything in this process that reads the same database."""

    survives_fork = False  # whether a child made by fork may go on using it

    def __init__(self) -> None:
        self.marks: dict[int, bytes] = {}  # number of a record -> its key, for every STRIDE-th record seen so far
        self.length: int | None = None

    @abstractmethod
    def cursor(self) -> Cursor:
        """A new cursor, before the first record."""

    @abstractmethod
    def count(self) -> int | None:
        """The number of records where the library knows it, else None."""

    @abstractmethod
    def close(self) -> None:
        """Close the library's handle and remove what opening has made."""


class _Shared:
    """The handles open in this process, with the number of their users, and the locks of the walks over them.

    Three rules keep it from hanging. ``lock`` is taken before the lock of a walk, not after. Finalizers, which the
    garbage collector runs anywhere, wait for no lock: they leave a job for whoever holds it. And before a fork all
    locks are taken, so that no thread is inside a library while the process is copied. The child sets aside the handles
    that cannot be used without their parent's threads, opens its own, and counts ``generation`` up so that databases
    notice.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users: dict[Identity, int] = {}
        self.handles: dict[Identity, Handle] = {}
        self.walks: set[threading.RLock] = set()
        self.jobs: deque[Callable[[], None]] = deque()
        self.abandoned: list[object] = []
        self.generation = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, then do the jobs that were left meanwhile."""
        with self.lock:
            yield
        self.work()

    def work(self) -> None:
        """Do the jobs, unless somebody holds the lock, who then will."""
        while self.jobs and self.lock.acquire(blocking=False):
            try:
                while self.jobs:
                    self.jobs.popleft()()
            finally:
                self.lock.release()

    def acquire(self, identity: Identity, open_handle: Callable[[], Handle]) -> Handle:
        """The handle of a database for one user more, opened if nobody has it open."""
        with self.locked():
            if identity not in self.handles:
                self.handles[identity] = open_handle()
                self.users[identity] = 0
            self.users[identity] += 1
            return self.handles[identity]

    def release(self, identity: Identity, handle: Handle) -> None:
        """One user less; the last one closes the handle."""
        self.jobs.append(lambda: self._release(identity, handle))
        self.work()

    def _release(self, identity: Identity, handle: Handle) -> None:
        if self.handles.get(identity) is handle:
            self.users[identity] -= 1
            if self.users[identity] == 0:
                del self.users[identity]
                self.handles.pop(identity).close()

    def begin(self, identity: Identity, handle: Handle, lock: threading.RLock) -> Cursor:
        """A cursor, to be used under ``lock``, which is one user more of a handle that is open."""
        with self.locked():
            if self.handles.get(identity) is not handle:
                raise HandleError("", "the database is closed", "open it again")
            cursor = handle.cursor()
            self.users[identity] += 1
            self.walks.add(lock)
            return cursor

    def end(self, identity: Identity, handle: Handle, lock: threading.RLock, cursor: Cursor, generation: int) -> None:
        """Close a cursor when nobody is using it, and give its share of the handle back."""
        self.jobs.append(lambda: self._end(identity, handle, lock, cursor, generation))
        self.work()

    def _end(self, identity: Identity, handle: Handle, lock: threading.RLock, cursor: Cursor, generation: int) -> None:
        self.walks.discard(lock)
        if generation == self.generation or handle.survives_fork:
            with lock:
                cursor.close()
        else:
            self.abandoned.append(cursor)
        self._release(identity, handle)

    def before_fork(self) -> None:
        """Wait until no thread is inside a library, and let none in."""
        self.lock.acquire()
        for lock in self.walks:
            lock.acquire()

    def after_fork(self) -> None:
        """Let the threads go on."""
        for lock in self.walks:
            lock.release()
        self.lock.release()
        self.work()

    def in_child(self) -> None:
        """Set aside what only works with the parent's threads."""
        self.abandoned += [handle for handle in self.handles.values() if not handle.survives_fork]
        self.handles = {identity: handle for identity, handle in self.handles.items() if handle.survives_fork}
        self.users = {identity: self.users[identity] for identity in self.handles}
        self.generation += 1
        self.after_fork()


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_shared.before_fork, after_in_parent=_shared.after_fork, after_in_child=_shared.in_child)


class Database(ABC):
    """A database opened for reading; also a context manager.

    ``len`` is the number of records (for a LevelDB the first call walks all keys). Nothing is ever written to the
    database.
    """

    backend: str

    def __init__(self, path: str) -> None:
        self.path = path
        self._closed = False
        self._enter()

    def _enter(self) -> None:
        """Take a share of the handle; again in a child made by fork."""
        self.identity: Identity = (self.backend, *_identity(self.path))
        self._handle = _shared.acquire(self.identity, self._open)
        self._generation = _shared.generation
        self._release = weakref.finalize(self, _shared.release, self.identity, self._handle)

    @abstractmethod
    def _open(self) -> Handle:
        """Open the library's handle; raises MissingFileError, CorruptFileError or DeviceError."""

    @property
    def handle(self) -> Handle:
        """The library's handle. Raises HandleError after `close`."""
        if self._closed:
            raise HandleError(self.path, "the database is closed", "open it again")
        if self._generation != _shared.generation and not self._handle.survives_fork:
            self._release.detach()
            self._enter()
        return self._handle

    def __len__(self) -> int:
        handle = self.handle
        if handle.length is None:
            handle.length = handle.count()
        if handle.length is None:
            with Walk(self) as walk:
                walk.seek(2**62)
                handle.length = walk.index
        return handle.length

    def items(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in the order of the keys, from record number ``start``."""
        with Walk(self) as walk:
            found = walk.seek(start)
            while found:
                yield walk.key(), bytes(walk.value())
                found = walk.step()

    def keys(self, start: int = 0) -> Iterator[bytes]:
        """The keys in their order, from record number ``start``."""
        with Walk(self) as walk:
            found = walk.seek(start)
            while found:
                yield walk.key()
                found = walk.step()

    def close(self) -> None:
        """Give the database back; closing again does nothing."""
        self._closed = True
        self._release()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _identity(path: str) -> Identity:
    """What makes two paths the same database: the folder itself, not its name, which may come to mean another one."""
    try:
        state = os.stat(path)
    except OSError as error:
        raise missing(path, error) from None
    return (state.st_dev, state.st_ino) if state.st_ino else (os.path.realpath(path),)


def missing(path: str, error: OSError | None = None) -> MissingFileError:
    """The error for a database that is not there, or cannot be looked at."""
    reason = f" ({error.strerror})" if error and not isinstance(error, FileNotFoundError) else ""
    return MissingFileError(path, f"no such database{reason}", "the path is relative to the working directory")


class Walk:
    """A place in a database: record number ``index`` in the order of the keys.

    It keeps the library's handle open until it is closed or forgotten: to close an LMDB under a cursor would end the
    process. For the same reason a lock lets one thread close it while another one reads, which then gets a HandleError.
    """

    def __init__(self, database: Database) -> None:
        self.index = 0
        self._database = database
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._handle = self._database.handle
        identity, generation = self._database.identity, _shared.generation
        self._cursor = _shared.begin(identity, self._handle, self._lock)
        self._end = weakref.finalize(self, _shared.end, identity, self._handle, self._lock, self._cursor, generation)
        self._valid = False

    def _ready(self) -> threading.RLock:
        """The lock to read under; in a child made by fork leave the cursor alone and make a new one first."""
        if self._database.handle is not self._handle:
            self._end()
            self._start()
            self.seek(self.index)
        return self._lock

    def _open(self) -> Cursor:
        if not self._end.alive:
            raise HandleError(self._database.path, "this walk over the database is closed", "start a new one")
        return self._cursor

    def step(self) -> bool:
        """Go to the following record; False at the end, where ``index`` is the number of records."""
        with self._ready():
            return self._step()

    def _step(self) -> bool:
        cursor = self._open()
        if self._valid:
            self.index += 1
            self._valid = cursor.next()
            self._mark()
        return self._valid

    def seek(self, index: int) -> bool:
        """Go to record number ``index``; False at the end, if there are fewer records.

        Goes on from where it stands or from the nearest remembered key below, reading keys only.
        """
        with self._ready():
            if not self._valid or not 0 <= index - self.index < STRIDE:
                self._jump(index)
            while self.index < index and self._step():
                pass
            return self._valid

    def _jump(self, index: int) -> None:
        """Go to the nearest record below ``index`` whose key is known, if that is nearer than where it stands."""
        marks = self._handle.marks
        nearest = min(index, max(marks, default=0)) // STRIDE * STRIDE
        while nearest and nearest not in marks:
            nearest -= STRIDE
        if not self._valid or not nearest <= self.index <= index:
            cursor = self._open()
            self.index = nearest
            self._valid = cursor.seek(marks[nearest]) if nearest else cursor.first()
            self._mark()

    def _mark(self) -> None:
        if not self._valid:
            self._handle.length = self.index
        elif self.index % STRIDE == 0:
            self._handle.marks[self.index] = self._cursor.key()

    def key(self) -> bytes:
        """The key of the record."""
        with self._ready():
            return self._open().key()

    def value(self) -> Buffer:
        """The bytes of the record, or a view of them."""
        with self._ready():
            return self._open().value()

    def close(self) -> None:
        """Give the place up; closing again does nothing."""
        self._end()

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Writer(ABC):
    """A database being made, in a hidden folder beside its place.

    `close` moves it there, so nobody ever finds a half-made one. As a context manager it closes on success and aborts
    on an error. Records may be put in any order; a key put twice counts the last time.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Raises WriteError if the path exists (unless ``overwrite``) or its folder cannot be written."""
        self.path = Path(path)
        self._overwrite = overwrite
        self._finished = False
        if os.path.lexists(self.path) and not overwrite:
            raise WriteError(str(self.path), "exists already", "remove it, give another name, or ask to overwrite it")
        self.folder = self._beside("new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir()
        except OSError as error:
            raise WriteError(str(self.path), f"cannot be made ({error.strerror})", "check its folder") from None
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def _beside(self, what: str) -> Path:
        """A free hidden name in the same folder, which a rename can reach."""
        stem = f".{self.path.name}.{what}-{os.getpid()}"
        names = (self.path.with_name(f"{stem}-{number}") for number in itertools.count())
        return next(name for name in names if not os.path.lexists(name))

    @abstractmethod
    def put(self, key: bytes, value: bytes) -> None:
        """Add a record. Raises WriteError, e.g. on a full disk."""

    @abstractmethod
    def _finish(self) -> None:
        """Bring everything to disk and close the library's handle."""

    @abstractmethod
    def _abandon(self) -> None:
        """Close the library's handle; what was put may be lost."""

    def close(self) -> None:
        """Complete the database and move it to its place; closing again does nothing."""
        if self._finished:
            return
        self._finished = True
        try:
            self._finish()
            old = self._beside("old") if self._overwrite and os.path.lexists(self.path) else None
            if old:
                os.rename(self.path, old)
            os.rename(self.folder, self.path)
            if old:
                _remove(old)
        except OSError as error:
            raise WriteError(str(self.path), f"cannot be put in place ({error.strerror})", "check its folder") from None
        finally:
            self._remove()

    def abort(self) -> None:
        """Throw away what was written; the path stays as it was."""
        if not self._finished:
            self._finished = True
            self._abandon()
            self._remove()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def _remove(path: Path) -> None:
    """Remove what an overwritten database was: a folder, or the file of an LMDB without one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def library_text(error: Exception) -> str:
    """The words of a library's error; plyvel gives them as bytes."""
    argument: Any = error.args[0] if error.args else error
    return argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
