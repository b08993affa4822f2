"""The binary files of CIFAR-10 and CIFAR-100: from a folder, or from the archive they are handed out in."""

from __future__ import annotations

import os
import tarfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from caffe_sdk.errors import CorruptFileError, MissingFileError
from caffe_sdk.schema.files import read_bytes

SHAPE = (3, 32, 32)  # red, green, blue
PIXELS = 3 * 32 * 32

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def read_cifar10(folder: str | os.PathLike[str], which: str) -> Arrays:
    """Images (n, 3, 32, 32), RGB, and labels (n,) 0 to 9 of ``which`` set, 'train' or 'test'.

    ``folder`` holds the .bin files, or cifar-10-binary.tar.gz. Raises MissingFileError, and CorruptFileError for files
    that are not whole.
    """
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] if which == "train" else ["test_batch.bin"]
    parts = [_records(Path(folder), "cifar-10", name, 1) for name in names]
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels[:, 0] for _, labels in parts])


def read_cifar100(folder: str | os.PathLike[str], which: str, coarse: bool = False) -> Arrays:
    """Images (n, 3, 32, 32), RGB, and labels (n,) of ``which`` set: 100 classes, or with ``coarse`` the 20 above them.

    ``folder`` holds the .bin files, or cifar-100-binary.tar.gz. Raises what `read_cifar10` does.
    """
    images, labels = _records(Path(folder), "cifar-100", f"{which}.bin", 2)
    return images, labels[:, 0 if coarse else 1]


def _records(folder: Path, stem: str, name: str, labels: int) -> Arrays:
    """Images, and the ``labels`` bytes in front of each (n, labels), of one file."""
    path, data = _read(folder, stem, name)
    size = labels + PIXELS
    if not data or len(data) % size:
        what = f"holds {len(data)} bytes, which are not whole records of {size}"
        raise CorruptFileError(path, what, "give the files of the binary version, whole")
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    return rows[:, labels:].reshape(-1, *SHAPE), rows[:, :labels]


def _read(folder: Path, stem: str, name: str) -> tuple[str, bytes]:
    """The path and the bytes of a file: in the folder, where unpacking puts it, or still in the archive."""
    for place in (folder / name, folder / f"{stem}-batches-bin" / name, folder / f"{stem}-binary" / name):
        if place.is_file():
            return str(place), read_bytes(place)
    archive = folder / f"{stem}-binary.tar.gz"
    if not archive.is_file():
        what = f"has neither {name} nor {archive.name}"
        raise MissingFileError(str(folder), what, "give the folder of the binary version, or download it")
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                file = packed.extractfile(member) if Path(member.name).name == name else None
                if file is not None:
                    return f"{archive}: {member.name}", file.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise CorruptFileError(str(archive), f"cannot be unpacked ({error})", "copy or download it again") from None
    raise CorruptFileError(str(archive), f"has no file {name}", "copy or download it again")
