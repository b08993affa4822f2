"""MNIST and scikit-learn's digits: the files, what is wrong with them, and the databases made of them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.data import classics, datum, digits, mnist
from caffe_sdk.data.databases import open_database, write_arrays
from caffe_sdk.data.download import checksum
from caffe_sdk.errors import (
    ArgumentError,
    CorruptFileError,
    DataError,
    DeviceError,
    FileError,
    MissingFileError,
    WriteError,
)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def small(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A MNIST of a few images, its files packed and named in different ways."""
    folder = tmp_path / "idx"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(rng.integers(0, 256, (6, 4, 5), np.uint8))))
    (folder / "train-labels.idx1-ubyte").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (2, 4, 5), np.uint8)))
    (folder / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7, 9], np.uint8))))
    return folder


@pytest.mark.parametrize("backend", ["leveldb", "lmdb"])
def test_databases_of_mnist(small: Path, tmp_path: Path, backend: str) -> None:
    seen: list[tuple[str, int, int]] = []
    paths = classics.convert("mnist", small, tmp_path / "out", backend, progress=lambda *state: seen.append(state))
    assert [os.path.basename(path) for path in paths] == [f"mnist_train_{backend}", f"mnist_test_{backend}"]
    assert seen == [(paths[0], 6, 6), (paths[1], 2, 2)]
    images = mnist.read_idx(small / "t10k-images-idx3-ubyte")
    with open_database(paths[1], backend) as db:
        assert list(db.items()) == [
            (b"00000000", datum.encode(images[0][None], 7)),
            (b"00000001", datum.encode(images[1][None], 9)),
        ]
    with pytest.raises(WriteError, match="exists already"):
        classics.convert("mnist", small, tmp_path / "out", backend)
    assert classics.convert("mnist", small, tmp_path / "out", backend, overwrite=True) == paths


def test_real_mnist(shared: Path) -> None:
    folder = shared / "data/mnist"
    for name, sha256 in classics.DATA_SETS["mnist"].files.items():
        assert checksum(folder / name) == sha256
    images, labels = mnist.read_mnist(folder, "test")
    assert images.shape == (10000, 1, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with nothing"),
        (b"\x89PNG", "begins with 89 50 4e 47"),
        (b"\x00\x00\x08\x03\x00", "begins with 00 00 08 03"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "holds 5 values where 2 x 3 needs 6"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "holds 7 values"),
        (gzip.compress(bytes(1000), mtime=0)[:-9], "cannot be unpacked"),
        (b"\x1f\x8b" + bytes(20), "cannot be unpacked"),
    ],
)
def test_damaged_idx(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(CorruptFileError, match=words):
        mnist.read_idx(tmp_path / "file")


def test_files_that_are_missing_or_do_not_match(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no file train-images-idx3-ubyte"):
        classics.convert("mnist", tmp_path, tmp_path / "out")
    (small / "train-labels.idx1-ubyte").write_bytes(idx(np.arange(5, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"images of shape \(6, 4, 5\), but labels of shape \(5,\)"):
        classics.convert("mnist", small, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileError):
        mnist.read_idx(tmp_path)


def test_pairs(rng: np.random.Generator) -> None:
    labels = np.arange(50, dtype=np.uint8) % 3
    images = labels[:, None, None, None] + np.zeros((50, 1, 2, 3), np.uint8)
    pairs, same = mnist.pairs(images, labels, seed=1)
    assert pairs.shape == (50, 2, 2, 3)
    np.testing.assert_array_equal(same, pairs[:, 0, 0, 0] == pairs[:, 1, 0, 0])
    assert 0 < same.sum() < 50
    np.testing.assert_array_equal(mnist.pairs(images, labels, seed=1)[0], pairs)


def test_images_without_labels(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="2 images but 1 labels"):
        write_arrays(tmp_path / "db", np.zeros((2, 1, 1, 1), np.uint8), np.zeros(1, int))


def test_digits(tmp_path: Path) -> None:
    train, test = digits.write_digits(tmp_path, seed=3)
    counts = []
    for path in (train, test):
        with open_database(path, "leveldb") as db:
            records = [datum.parse(value) for _, value in db.items()]
        assert {record.shape for record in records} == {(1, 28, 28)}
        assert max(record.array.max() for record in records if record.array is not None) == 255
        counts.append(np.bincount([int(record.label) for record in records], minlength=10))
    assert counts[0].sum() + counts[1].sum() == 1797
    np.testing.assert_allclose(counts[1] / (counts[0] + counts[1]), 0.2, atol=0.003)


def test_digits_are_split_by_seed() -> None:
    labels = np.repeat(np.arange(10), 50)
    train, test = digits.split(labels, 1)
    assert sorted([*train, *test]) == list(range(500))
    np.testing.assert_array_equal(digits.split(labels, 1)[0], train)
    assert not np.array_equal(digits.split(labels, 2)[0], train)


def test_digits_need_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(DeviceError, match=r"caffe-sdk\[demo\]"):
        digits.write_digits(tmp_path)
