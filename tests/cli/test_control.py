"""Asking a training through a file: what is done, what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.cli.control import Control
from caffe_sdk.errors import ArgumentError
from caffe_sdk.solver import Event, Finished, Iteration, Snapshot
from tests.solver.models import SGD, linear

PREFIX = 'snapshot_prefix: "s" '


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_the_file_says_is_done_once(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + PREFIX)
    control, seen = Control("control", solver), list[Event]()
    for event in solver.events(10):
        if isinstance(event, Iteration) and event.iteration in (2, 5):
            Path("control").write_text("snapshot\n" if event.iteration == 2 else "stop")
        control(event)
        seen.append(event)
    assert [event.iteration for event in seen if isinstance(event, Snapshot)] == [3]
    assert seen[-1] == Finished(6, True)
    assert not Path("control").exists()
    assert Path("s_iter_3.solverstate").exists()


def test_other_words_are_left_alone_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, SGD + PREFIX)
    control = Control("control", solver)
    for event in solver.events(6):
        if isinstance(event, Iteration):
            Path("control").write_text("" if event.iteration < 2 else "net: x")
        control(event)
    assert solver.iter == 6
    assert Path("control").read_text() == "net: x"
    assert caplog.messages == ["control: 'net: x' is left alone; say snapshot or stop"]


def test_what_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, SGD + PREFIX)
    control = Control("control", solver)
    Path("control").mkdir()
    for event in solver.events(2):
        control(event)
    assert len(caplog.messages) == 1
    assert "cannot be read and removed" in caplog.messages[0]


def test_a_file_of_before_was_not_meant(tmp_path: Path) -> None:
    Path("control").write_text("stop")
    with pytest.raises(ArgumentError, match="control: the file control is there already; remove it, or name another"):
        Control("control", linear(tmp_path, SGD))
    assert Path("control").read_text() == "stop"
