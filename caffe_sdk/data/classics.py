"""The classic data sets as databases: one table of what they are called, where they come from and how they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from caffe_sdk.data import download
from caffe_sdk.data.cifar import read_cifar10, read_cifar100
from caffe_sdk.data.databases import Progress, write_arrays
from caffe_sdk.data.mnist import read_mnist

Reader = Callable[[str | os.PathLike[str], str], tuple[npt.NDArray[Any], npt.NDArray[Any]]]


@dataclass(frozen=True)
class DataSet:
    """A data set of a TRAIN and a TEST part.

    ``read`` gives images (n, channels, height, width) and labels (n,) of a folder and 'train' or 'test'. ``files`` are
    the names under each of the ``mirrors``, with the SHA-256 of the file, or with ``unpacked`` of what is in the .gz.
    ``digits`` is the length of Caffe's keys.
    """

    title: str
    read: Reader
    mirrors: tuple[str, ...]
    files: dict[str, str]
    unpacked: bool = False
    digits: int = 8


DATA_SETS = {
    "mnist": DataSet(
        "MNIST: handwritten digits, 28x28 grey",
        read_mnist,
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        unpacked=True,  # the mirrors have packed them in different ways
    ),
    "fashion_mnist": DataSet(
        "Fashion-MNIST: clothes and shoes in ten classes, 28x28 grey",
        read_mnist,
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    "cifar10": DataSet(
        "CIFAR-10: photographs in ten classes, 32x32 RGB",
        read_cifar10,
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        digits=5,
    ),
    "cifar100": DataSet(
        "CIFAR-100: photographs in a hundred classes, 32x32 RGB",
        read_cifar100,
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
        digits=5,
    ),
}


def convert(
    name: str,
    from_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    backend: str = "leveldb",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[str, str]:
    """Make the databases NAME_train_leveldb and NAME_test_leveldb (or _lmdb) in ``out_dir``; gives their paths.

    Keys and records are those of Caffe's convert_mnist_data and convert_cifar_data. Both parts are read before anything
    is written. Raises what the data set's ``read`` and `create_database` do.
    """
    data_set = DATA_SETS[name]
    parts = {which: data_set.read(from_dir, which) for which in ("train", "test")}
    train, test = (
        write_arrays(
            Path(out_dir, f"{name}_{which}_{backend.lower()}"),
            images,
            labels,
            backend,
            digits=data_set.digits,
            overwrite=overwrite,
            progress=progress,
        )
        for which, (images, labels) in parts.items()
    )
    return train, test


def fetch(name: str, folder: str | os.PathLike[str], progress: Progress | None = None) -> None:
    """Fetch a data set's files into ``folder``, but those that are there and right. Raises FileError, WriteError."""
    data_set = DATA_SETS[name]
    for file, sha256 in data_set.files.items():
        urls = [mirror + file for mirror in data_set.mirrors]
        download.fetch(urls, Path(folder, file), sha256, progress, packed=not data_set.unpacked)
