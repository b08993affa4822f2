"""What counts as a bad record, and what is done about it; sources are tested with it in test_bad_data.py."""

from __future__ import annotations

import pytest

from caffe_sdk.data.skips import IN_A_ROW, Skips
from caffe_sdk.errors import CaffeError, CorruptFileError, DataError, FileError, HandleError, ShapeError


def fail(error: CaffeError) -> int:
    raise error


@pytest.mark.parametrize("kind", [DataError, FileError, ShapeError])
def test_errors_of_a_record(kind: type[CaffeError]) -> None:
    error = kind("here", "is wrong")
    assert Skips("x", True).tried(fail, error) is error
    with pytest.raises(kind):
        Skips("x", False).tried(fail, error)
    assert Skips("x", True).tried(len, "abc") == 3


@pytest.mark.parametrize("kind", [CorruptFileError, HandleError])
def test_errors_of_the_source(kind: type[CaffeError]) -> None:
    with pytest.raises(kind):
        Skips("x", True).tried(fail, kind("here", "is wrong"))


def test_the_next_good_one(caplog: pytest.LogCaptureFixture) -> None:
    skips = Skips("x", True)
    error = DataError("there", "is wrong")
    assert skips.next_good(error, lambda number: number if number > 3 else error) == 4
    with pytest.raises(DataError, match=f"x: {IN_A_ROW} records in a row are bad, first this one: there: is wrong"):
        skips.next_good(error, lambda number: error)
    for _ in range(3):
        skips.tell(error)
    assert skips.count == 3
    assert [record.message for record in caplog.records] == ["Skipped bad record number 1: there: is wrong"]
