"""MNIST: from the four idx files, or from the net, to the two databases that Caffe's example makes of them."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from caffe_sdk.data import download
from caffe_sdk.data.databases import Progress, write_arrays
from caffe_sdk.errors import CorruptFileError, DataError, MissingFileError
from caffe_sdk.schema.files import read_bytes

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# File -> SHA-256 of its content, unpacked.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
SETS = {"train": "train", "test": "t10k"}


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The array of an idx file of bytes, packed with gzip or not: (n,) labels, (n, height, width) images.

    Raises MissingFileError, FileError, and CorruptFileError where it is no such file or not whole.
    """
    name = os.fspath(path)
    data = read_bytes(path)
    if data[:2] == download.GZIP:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise CorruptFileError(name, f"cannot be unpacked ({error})", "copy or download it again") from None
    axes = data[3] if len(data) > 3 else 0
    if data[:3] != b"\x00\x00\x08" or axes == 0 or len(data) < 4 + 4 * axes:
        what = f"begins with {data[:4].hex(' ') or 'nothing'}"
        raise CorruptFileError(name, what, "an idx file of bytes begins with 00 00 08 and the number of axes")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", axes, 4))
    held, needed = len(data) - 4 - 4 * axes, math.prod(shape)
    if held != needed:
        size = " x ".join(map(str, shape))
        raise CorruptFileError(name, f"holds {held} values where {size} needs {needed}", "copy or download it again")
    return np.frombuffer(data, np.uint8, needed, 4 + 4 * axes).reshape(shape)


def read_mnist(folder: str | os.PathLike[str], which: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (n, 1, 28, 28) and labels (n,) of ``which`` set, 'train' or 'test'.

    The files may end in .gz or not, and be written with dots ('train-images.idx3-ubyte'). Raises what `read_idx` does,
    and DataError where images and labels do not go together.
    """
    images_path = _find(Path(folder), f"{SETS[which]}-images-idx3-ubyte")
    labels_path = _find(Path(folder), f"{SETS[which]}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not images.size:
        what = f"images of shape {images.shape}, but labels of shape {labels.shape} in {labels_path.name}"
        raise DataError(str(images_path), what, "must be (n, height, width) and (n,)")
    return images[:, None], labels


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, name + ".gz", dotted, dotted + ".gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    what = f"has no file {name} or {name}.gz"
    raise MissingFileError(str(folder), what, "give the folder of the four idx files of MNIST, or download them")


def convert_mnist(
    from_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    backend: str = "leveldb",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[str, str]:
    """Make the databases mnist_train_leveldb and mnist_test_leveldb (or _lmdb) in ``out_dir``; gives their paths.

    Keys and records are those of Caffe's convert_mnist_data. Raises what `read_mnist` and `create_database` do.
    """
    sets = {which: read_mnist(from_dir, which) for which in SETS}
    train, test = (
        write_arrays(
            Path(out_dir, f"mnist_{which}_{backend.lower()}"),
            images,
            labels,
            backend,
            overwrite=overwrite,
            progress=progress,
        )
        for which, (images, labels) in sets.items()
    )
    return train, test


def download_mnist(folder: str | os.PathLike[str], progress: Progress | None = None) -> None:
    """Fetch the four files into ``folder``, those that are there and right excepted. Raises FileError, WriteError."""
    for name, sha256 in FILES.items():
        urls = [f"{mirror}{name}.gz" for mirror in MIRRORS]
        download.fetch(urls, Path(folder) / f"{name}.gz", sha256, progress)
