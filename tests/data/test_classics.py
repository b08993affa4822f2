"""The classic data sets: CIFAR's binary files, packed or not, and where all of them come from."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.data import cifar, classics, datum
from caffe_sdk.data.databases import open_database
from caffe_sdk.errors import CorruptFileError, MissingFileError


def records(rng: np.random.Generator, count: int, labels: int) -> bytes:
    return rng.integers(0, 10, (count, labels + cifar.PIXELS), np.uint8).tobytes()


@pytest.fixture
def files(rng: np.random.Generator) -> dict[str, bytes]:
    """CIFAR-10's files, of a few records each."""
    return {f"data_batch_{i}.bin": records(rng, i, 1) for i in range(1, 6)} | {"test_batch.bin": records(rng, 2, 1)}


def pack(path: Path, files: dict[str, bytes], folder: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_databases_of_cifar10(files: dict[str, bytes], tmp_path: Path) -> None:
    pack(tmp_path / "cifar-10-binary.tar.gz", files, "cifar-10-batches-bin")
    train, test = classics.convert("cifar10", tmp_path, tmp_path / "packed", "lmdb")
    assert [Path(path).name for path in (train, test)] == ["cifar10_train_lmdb", "cifar10_test_lmdb"]
    with open_database(train) as db:
        items = list(db.items())
    assert [key for key, _ in items] == [b"%05d" % i for i in range(15)]
    first = np.frombuffer(files["data_batch_1.bin"], np.uint8)
    assert items[0][1] == datum.encode(first[1:].reshape(3, 32, 32), int(first[0]))
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    again, _ = classics.convert("cifar10", tmp_path, tmp_path / "loose", "lmdb")
    with open_database(again) as db:
        assert list(db.items()) == items


def test_cifar100_has_two_labels(rng: np.random.Generator, tmp_path: Path) -> None:
    (tmp_path / "cifar-100-binary").mkdir()
    data = records(rng, 3, 2)
    (tmp_path / "cifar-100-binary" / "train.bin").write_bytes(data)
    rows = np.frombuffer(data, np.uint8).reshape(3, -1)
    images, fine = cifar.read_cifar100(tmp_path, "train")
    np.testing.assert_array_equal(images.reshape(3, -1), rows[:, 2:])
    np.testing.assert_array_equal(fine, rows[:, 1])
    np.testing.assert_array_equal(cifar.read_cifar100(tmp_path, "train", coarse=True)[1], rows[:, 0])


def test_files_that_are_missing_or_damaged(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"neither data_batch_1\.bin nor cifar-10-binary\.tar\.gz"):
        classics.convert("cifar10", tmp_path, tmp_path / "out")
    archive = tmp_path / "cifar-10-binary.tar.gz"
    pack(archive, {"test_batch.bin": b""}, "x")
    with pytest.raises(CorruptFileError, match=r"has no file data_batch_1\.bin"):
        cifar.read_cifar10(tmp_path, "train")
    with pytest.raises(CorruptFileError, match="holds 0 bytes"):
        cifar.read_cifar10(tmp_path, "test")
    pack(archive, files, "x")
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(CorruptFileError, match="cannot be unpacked"):
        cifar.read_cifar10(tmp_path, "train")
    (tmp_path / "test_batch.bin").write_bytes(bytes(cifar.PIXELS))
    with pytest.raises(CorruptFileError, match="not whole records of 3073"):
        cifar.read_cifar10(tmp_path, "test")
    assert not (tmp_path / "out").exists()


def test_fetch_asks_the_mirrors_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(classics.download, "fetch", lambda *arguments, packed: asked.append((*arguments, packed)))
    for name, data_set in classics.DATA_SETS.items():
        asked.clear()
        classics.fetch(name, tmp_path)
        assert [(path.name, sha256) for _, path, sha256, _, _ in asked] == list(data_set.files.items())
        assert asked[0][0] == [mirror + next(iter(data_set.files)) for mirror in data_set.mirrors]
        assert {packed for *_, packed in asked} == {name != "mnist"}
        assert all(len(sha256) == 64 for sha256 in data_set.files.values())
