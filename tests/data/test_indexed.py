"""Sources of numbered records; order, seeds and ranks are tested with lists of images too."""

from __future__ import annotations

import pytest

from caffe_sdk.data.datum import Record
from caffe_sdk.data.indexed import IndexedSource
from caffe_sdk.errors import ArgumentError


class Numbers(IndexedSource):
    """Five records, labelled by their number."""

    def __len__(self) -> int:
        return 5

    def record(self, number: int) -> Record:
        return Record((0, 0, 0), None, number)


def read(source: Numbers, count: int) -> list[tuple[float, int]]:
    records = [source.read() for _ in range(count)]
    return [(float(record.label), record.index) for record in records]


def test_records_and_their_places_in_the_stream() -> None:
    assert read(Numbers("x"), 7) == [(i % 5, i) for i in range(7)]
    assert read(Numbers("x", rank=1, ranks=3), 3) == [(1, 1), (4, 4), (2, 7)]
    shuffled = Numbers("x", shuffle=True, seed=2)
    labels = [label for label, _ in read(shuffled, 10)]
    assert sorted(labels[:5]) == sorted(labels[5:]) == [0, 1, 2, 3, 4]
    shuffled.seek(3)
    assert [label for label, _ in read(shuffled, 7)] == labels[3:]
    shuffled.close()
    assert shuffled.first().label == labels[0]


def test_ranks_and_positions_are_checked() -> None:
    with pytest.raises(ArgumentError, match="rank 3 of 3"):
        Numbers("x", rank=3, ranks=3)
    with pytest.raises(ArgumentError, match="position -1"):
        Numbers("x").seek(-1)
