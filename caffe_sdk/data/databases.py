"""Opening and making databases by path and backend."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.database import missing
from caffe_sdk.data.datum import encode
from caffe_sdk.errors import ArgumentError, MissingFileError

if TYPE_CHECKING:
    from caffe_sdk.data.database import Database, Writer

Progress = Callable[[str, int, int], None]  # what is being made, how much of it is done, of how much

BACKENDS = ("LEVELDB", "LMDB")  # in the order of DataParameter.DB


def open_database(path: str | os.PathLike[str], backend: str | int | None = None) -> Database:
    """Open a database for reading.

    ``backend`` is a value or a name of DataParameter.DB, in any case ('lmdb'); None finds out. Raises MissingFileError
    if there is no such database, saying so if it is one of the other backend, CorruptFileError if it is damaged, and
    DeviceError if the library that reads it is not installed.
    """
    path = os.fspath(path)
    found = find_backend(path)
    wanted = found if backend is None else _backend(path, backend)
    if found is None:
        if not os.path.lexists(path):
            raise missing(path)
        what = "holds neither a LevelDB (no file CURRENT) nor an LMDB (no file data.mdb)"
        raise MissingFileError(path, what, "give the folder of a database")
    if found != wanted:
        names = {"LEVELDB": "a LevelDB", "LMDB": "an LMDB"}
        raise MissingFileError(path, f"is {names[found]}, not {names[str(wanted)]}", f"set backend: {found}")
    if found == "LMDB":
        from caffe_sdk.data.lmdb import LMDB

        return LMDB(path)
    from caffe_sdk.data.leveldb import LevelDB

    return LevelDB(path)


def create_database(path: str | os.PathLike[str], backend: str | int = "LEVELDB", overwrite: bool = False) -> Writer:
    """Start a new database, best used as ``with create_database(...) as writer: writer.put(key, value)``.

    It appears at ``path`` when complete. Raises WriteError if the path exists (unless ``overwrite``) or cannot be
    written.
    """
    if _backend(os.fspath(path), backend) == "LMDB":
        from caffe_sdk.data.lmdb import LMDBWriter

        return LMDBWriter(path, overwrite)
    from caffe_sdk.data.leveldb_writer import LevelDBWriter

    return LevelDBWriter(path, overwrite)


def find_backend(path: str | os.PathLike[str]) -> str | None:
    """'LEVELDB' or 'LMDB' by the files at ``path``; None if it is neither."""
    if os.path.isfile(os.path.join(path, "CURRENT")):
        return "LEVELDB"
    if os.path.isfile(os.path.join(path, "data.mdb")) or os.path.isfile(path):
        return "LMDB"  # a file is an LMDB without a folder, or LMDB says that it is none
    return None


def _backend(path: str, backend: str | int) -> str:
    if isinstance(backend, int) and 0 <= backend < len(BACKENDS):
        return BACKENDS[backend]
    name = str(backend).upper()
    if name not in BACKENDS:
        raise ArgumentError(path, f"backend {backend!r} is unknown", "use LEVELDB or LMDB")
    return name


def write_arrays(
    path: str | os.PathLike[str],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    backend: str | int = "LEVELDB",
    *,
    digits: int = 8,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> str:
    """Make a database of ``images`` (n, channels, height, width) and integer ``labels`` (n,); gives its path.

    Keys are counted from 0 with ``digits`` digits, as convert_mnist_data makes them. ``progress`` is called now and
    then and at the end. Raises what `create_database` does, and ArgumentError where images and labels differ in number.
    """
    path = os.fspath(path)
    if len(images) != len(labels):
        raise ArgumentError(path, f"{len(images)} images but {len(labels)} labels", "give a label for each image")
    with create_database(path, backend, overwrite) as writer:
        for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            writer.put(b"%0*d" % (digits, index), encode(image, label))
            if progress and index % 1000 == 999:
                progress(path, index + 1, len(images))
    if progress:
        progress(path, len(images), len(images))
    return path
