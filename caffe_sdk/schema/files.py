"""Whole files in and out: errors that name the file, and writes that leave either the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, overload

from caffe_sdk.errors import CorruptFileError, FileError, MissingFileError, WriteError

PathLike = str | os.PathLike[str]

WINDOW = 1 << 14  # bytes: so many are read ahead where single ones are asked for
SHOWN = 50  # so many characters of its name a file has while it is written: names may have 255 bytes


def read_bytes(path: PathLike) -> bytes:
    """The bytes of a file.

    Raises:
        MissingFileError: there is no such file (the words begin "Could not open file", as in Caffe).
        FileError: it is a directory, or may not be read.
    """
    with _reading(path):
        return Path(path).read_bytes()


class FileBytes:
    """The bytes of a file, read when they are asked for; what is not asked for takes no memory.

    Indices and slices are as of bytes. Raises what :func:`read_bytes` does, and CorruptFileError when the file has
    become shorter since it was opened. Use it in a ``with`` block.
    """

    def __init__(self, path: PathLike) -> None:
        self._path = path
        with _reading(path):
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close
            described = os.fstat(self._file.fileno())
            self._window, self._begin = b"", 0
            if not stat.S_ISREG(described.st_mode):  # a pipe, which gives its bytes once
                self._window = self._file.readall()
        self._length = described.st_size if stat.S_ISREG(described.st_mode) else len(self._window)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> bytes: ...

    def __getitem__(self, at: int | slice) -> int | bytes:
        if isinstance(at, slice):
            start, stop, _ = at.indices(self._length)
            part = bytearray(max(0, stop - start))
            self.read_into(memoryview(part), start)
            return bytes(part)
        if not self._begin <= at < self._begin + len(self._window):
            self._begin, self._window = at, b""
            self._window = self[at : at + WINDOW]
        return self._window[at - self._begin]

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill a writable buffer with the bytes from an offset on."""
        ahead = start - self._begin
        if ahead >= 0 and ahead + len(buffer) <= len(self._window):
            buffer[:] = self._window[ahead : ahead + len(buffer)]
        else:
            self._read(buffer, start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, buffer: memoryview, start: int) -> None:
        with _reading(self._path):
            self._file.seek(start)
            while buffer:
                count = self._file.readinto(buffer)
                if not count:
                    what = "the file has become shorter while it was read"
                    raise CorruptFileError(str(self._path), what, "try again when nobody writes to it")
                buffer = buffer[count:]


@contextlib.contextmanager
def _reading(path: PathLike) -> Iterator[None]:
    """Errors of reading a file as ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError("", f"Could not open file {path}: it does not exist", _search_hint(path)) from None
    except IsADirectoryError:
        raise FileError("", f"Could not open file {path}: it is a directory", "name a file in it") from None
    except OSError as error:
        raise FileError("", f"Could not open file {path}: {error.strerror}", "make it readable for this user") from None
    except ValueError as error:  # a null byte in the path
        raise FileError("", f"Could not open file {str(path)!r}: {error}", "give the path of a file") from None


def read_text(path: PathLike) -> str:
    """The text of a UTF-8 file, without a byte order mark. Raises what :func:`read_bytes` does, and
    CorruptFileError when the bytes are not UTF-8.
    """
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not a text file: byte {data[error.start]:#04x} at offset {error.start} is not UTF-8"
        raise CorruptFileError(str(path), what, "save it as UTF-8; a binary message is read by another call") from None


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the place of ``path`` when the block ends well.

    Until then the old file stays as it is, and so it does when the block fails, the disk is full or the process is
    killed; what a killed process leaves is a hidden file that `sweep` finds. The bytes are on the disk (fsync) before
    the name changes hands. A new file gets the permissions of the umask, a replaced one keeps its own; links are
    followed; a device or pipe (``/dev/stdout``) is written directly.

    Raises:
        WriteError: any OSError on the way: no such folder, no permission, no space.
    """
    try:
        target = os.path.realpath(path)
        mode = os.stat(target).st_mode if os.path.exists(target) else None
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as direct:
                yield direct
            return
        folder, name = os.path.split(target)
        beside = os.path.join(folder, f".{name[:SHOWN]}.{secrets.token_hex(8)}.part")
        try:
            with open(beside, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(beside, stat.S_IMODE(mode))
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        remedy = "free some space, or choose a folder that exists and may be written"
        raise WriteError(str(path), f"cannot be written: {error.strerror or error}", remedy) from None
    except ValueError as error:  # a null byte in the path
        raise WriteError(repr(path), f"cannot be written: {error}", "give the path of a file") from None


def sweep(folder: PathLike, beginning: str) -> None:
    """Delete what killed processes left of files in ``folder`` whose names have this ``beginning``.

    Only for files that nobody else writes meanwhile. What cannot be deleted stays.
    """
    part = re.compile(rf"\.{re.escape(beginning[:SHOWN])}.*\.[0-9a-f]{{16}}\.part")
    with contextlib.suppress(OSError, ValueError):
        for name in filter(part.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write a whole file at once, as :func:`atomic_write` does."""
    with atomic_write(path) as file:
        file.write(data)


def _search_hint(path: PathLike) -> str:
    """Where a relative path was looked for."""
    return "check the path" if os.path.isabs(path) else f"check the path; it counts from {os.getcwd()}"
