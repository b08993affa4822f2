"""The mean image of a database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.data.databases import create_database, write_arrays
from caffe_sdk.data.mean import compute_mean
from caffe_sdk.errors import DataError, MissingFileError


@pytest.mark.parametrize("backend", ["leveldb", "lmdb"])
def test_mean_of_a_database(tmp_path: Path, backend: str, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (7, 2, 3, 4), np.uint8)
    write_arrays(tmp_path / "db", pixels, np.zeros(7, int), backend)
    seen: list[tuple[str, int, int]] = []
    mean = compute_mean(tmp_path / "db", progress=lambda *state: seen.append(state))
    np.testing.assert_array_equal(mean, (pixels.sum(0).astype(np.float32) / np.float32(7)).astype(np.float32))
    assert mean.dtype == np.float32
    assert seen == [(str(tmp_path / "db"), 7, 7)]


def test_no_mean(tmp_path: Path) -> None:
    with create_database(tmp_path / "empty", "lmdb"):
        pass
    with pytest.raises(DataError, match="holds no records"):
        compute_mean(tmp_path / "empty")
    with create_database(tmp_path / "db", "lmdb") as writer:
        writer.put(b"key", b"nonsense")
    with pytest.raises(DataError, match="db: record 'key'"):
        compute_mean(tmp_path / "db")
    with pytest.raises(MissingFileError):
        compute_mean(tmp_path / "nowhere")
