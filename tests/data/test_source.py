"""The stream of records of a database: order, restarts, positions, ranks, and records that are no good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.data import datum
from caffe_sdk.data.databases import create_database
from caffe_sdk.data.source import DatabaseSource
from caffe_sdk.errors import ArgumentError, DataError


@pytest.fixture(params=["LEVELDB", "LMDB"])
def ten(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Ten records, each with its number as label and pixel."""
    with create_database(tmp_path / "ten", request.param) as writer:
        for i in range(10):
            writer.put(b"%08d" % i, datum.encode(np.full((1, 2, 3), i, np.uint8), i))
    return tmp_path / "ten"


def labels(source: DatabaseSource, count: int) -> list[int]:
    return [int(source.read().label) for _ in range(count)]


def test_begins_again_at_the_end(ten: Path) -> None:
    source = DatabaseSource(ten)
    assert labels(source, 23) == [*range(10), *range(10), 0, 1, 2]
    assert source.position == 23
    record = source.read()
    assert (record.index, record.key, record.shape) == (23, b"00000003", (1, 2, 3))
    assert source.first().label == 0
    assert source.position == 24
    source.close()
    source.close()


@pytest.mark.parametrize("position", [0, 3, 9, 10, 25, 10**9 + 4])
def test_taken_up_at_a_position(ten: Path, position: int) -> None:
    source = DatabaseSource(ten)
    labels(source, 4)
    source.seek(position)
    assert source.position == position
    assert labels(source, 12) == [(position + i) % 10 for i in range(12)]
    source.close()


def test_ranks_share_the_records_out(ten: Path) -> None:
    """All ranks together read what one reads alone, and stand at the same position."""
    sources = [DatabaseSource(ten, rank=rank, ranks=3) for rank in range(3)]
    records = [source.read() for _ in range(8) for source in sources]
    assert [record.index for record in records] == list(range(24))
    assert [int(record.label) for record in records] == [i % 10 for i in range(24)]
    assert {source.position for source in sources} == {24}
    for source in sources:
        source.seek(6)
    assert [source.read().index for source in sources] == [6, 7, 8]
    for source in sources:
        source.close()


def test_rand_skip_is_by_seed_and_counts_before_the_stream(ten: Path) -> None:
    starts = set()
    for seed in range(40):
        source = DatabaseSource(ten, rand_skip=4, seed=seed)
        record = source.read()
        assert record.index == 0
        starts.add(int(record.label))
        assert labels(source, 10)[-1] == record.label
        source.close()
        again = DatabaseSource(ten, rand_skip=4, seed=seed)
        assert again.read().label == record.label
        again.close()
    assert starts == {0, 1, 2, 3}


def test_bad_record_is_named(tmp_path: Path) -> None:
    with create_database(tmp_path / "db", "LMDB") as writer:
        writer.put(b"a", datum.encode(np.zeros((1, 1, 1), np.uint8), 0))
        writer.put(b"b\xff", b"\x08\x01\x22")
    source = DatabaseSource(tmp_path / "db")
    source.read()
    with pytest.raises(DataError, match=r"db: record 'b\\xff': Datum: .*cut short"):
        source.read()
    source.close()


def test_empty_database(tmp_path: Path) -> None:
    for backend in ("LEVELDB", "LMDB"):
        create_database(tmp_path / backend, backend).close()
        with pytest.raises(DataError, match="no records"):
            DatabaseSource(tmp_path / backend)


def test_what_makes_no_sense(ten: Path) -> None:
    with pytest.raises(ArgumentError, match="rank 2 of 2"):
        DatabaseSource(ten, rank=2, ranks=2)
    source = DatabaseSource(ten)
    with pytest.raises(ArgumentError, match="position -1"):
        source.seek(-1)
    source.close()
