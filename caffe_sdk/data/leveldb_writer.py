"""Making LevelDBs, through plyvel."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from caffe_sdk.data.database import Writer, library_text
from caffe_sdk.errors import DeviceError, WriteError

OPEN_FILES = 100  # as Caffe sets it
WRITE_BUFFER = 64 << 20
BATCH_BYTES = 4 << 20
NOTES = ("LOCK", "LOG", "LOG.old")  # what LevelDB makes anew at every opening


def _plyvel(path: str) -> Any:
    """The module. Raises DeviceError where it is not installed."""
    try:
        import plyvel
    except ImportError as error:
        here = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
        raise DeviceError(
            path,
            f"making a LevelDB needs plyvel, which cannot be loaded in {here} ({error})",
            "make an LMDB and set backend: LMDB; or pip install 'caffe-sdk[leveldb]' (where there is no wheel it needs "
            "LevelDB's headers)",
        ) from None
    return plyvel


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
