"""The idx files of MNIST and of the data sets made like it, and pairs of their images for siamese nets."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.download import GZIP
from caffe_sdk.errors import CorruptFileError, DataError, MissingFileError
from caffe_sdk.schema.files import read_bytes

SETS = {"train": "train", "test": "t10k"}


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The array of an idx file of bytes, packed with gzip or not: (n,) labels, (n, height, width) images.

    Raises MissingFileError, FileError, and CorruptFileError where it is no such file or not whole.
    """
    name = os.fspath(path)
    data = read_bytes(path)
    if data[:2] == GZIP:
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
    """Images (n, 1, 28, 28) and labels (n,) of ``which`` set, 'train' or 'test', of MNIST or Fashion-MNIST.

    The files may end in .gz or not, and be written with dots ('train-images.idx3-ubyte'). Raises what `read_idx` does,
    and DataError where images and labels do not go together.
    """
    images = _find(Path(folder), f"{SETS[which]}-images-idx3-ubyte")
    labels = _find(Path(folder), f"{SETS[which]}-labels-idx1-ubyte")
    return read_pair(images, labels)


def read_pair(
    images_path: str | os.PathLike[str], labels_path: str | os.PathLike[str]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (n, 1, height, width) and labels (n,) of two idx files. Raises what `read_mnist` does."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not images.size:
        what = f"images of shape {images.shape}, but labels of shape {labels.shape} in {labels_path}"
        raise DataError(os.fspath(images_path), what, "must be (n, height, width) and (n,)")
    return images[:, None], labels


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, name + ".gz", dotted, dotted + ".gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    what = f"has no file {name} or {name}.gz"
    raise MissingFileError(str(folder), what, "give the folder of the four idx files, or download them")


def pairs(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """As many random pairs as there are images (n, 1, height, width), as convert_mnist_siamese_data draws them.

    Gives (n, 2, height, width), one channel for each image of the pair, and (n,): 1 where both show the same, else 0.
    """
    chosen = np.random.default_rng(seed).integers(0, len(images), (len(images), 2))
    first, second = labels[chosen].T
    return images[chosen, 0], (first == second).astype(np.uint8)
