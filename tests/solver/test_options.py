"""Early stopping, and which snapshots of a training stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk import engine
from caffe_sdk.errors import ArgumentError
from caffe_sdk.solver import Options, Solver, events, get_solver, snapshot
from tests.solver.models import DIGITS, SGD, TESTED, assert_same, linear, weights, write, write_digits

SAVED = 'snapshot: 2 snapshot_prefix: "s" '


@pytest.fixture(params=["reference", "cpu"], autouse=True)
def every_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test runs with both engines."""
    with engine.use(request.param):
        yield


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def snapshots() -> list[int]:
    """The iterations of which all three files are there; none is there in part."""
    kinds = [{int(p.name.split("_")[2].split(".")[0]) for p in Path().glob(f"s_iter_*{end}")} for end in ENDS]
    assert kinds[0] == kinds[1] == kinds[2]
    return sorted(kinds[0])


ENDS = (".caffemodel", ".solverstate", "_resume.json")


def spoil(solver: Solver, iteration: int) -> None:
    """From an iteration on the training goes uphill."""

    def turn(done: events.Iteration) -> None:
        if done.iteration + 1 == iteration:
            solver.param.base_lr = -solver.param.base_lr

    solver.add_callback(after_iteration=turn)


def test_a_training_that_gets_no_better_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = SGD.replace("0.9", "0") + TESTED + 'max_iter: 100 snapshot_prefix: "s"'
    solver = linear(tmp_path, text, Options(watch="loss", patience=3))
    spoil(solver, 8)
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        stream = list(solver.events())
    assert stream[-1] == events.Finished(20, stopped=True)
    assert solver.watch is not None
    assert solver.watch.best is not None
    assert (solver.watch.best.iteration, solver.watch.best.tests_since) == (8, 3)
    assert f"Stopping early: loss was best ({solver.watch.best.value:g}) at iteration 8" in caplog.text
    assert snapshots() == [20]  # what was reached is saved as after any stop


def test_a_resumed_training_ends_where_the_uninterrupted_one_does(tmp_path: Path) -> None:
    """Also when it was saved between a test and the next update, or in the midst of a test."""
    write_digits(tmp_path)
    text = SGD + 'test_iter: 3 test_interval: 3 max_iter: 60 snapshot: 2 snapshot_prefix: "s"'
    path, options = write(tmp_path, text, DIGITS), Options(patience=4, keep_best=True)
    with get_solver(path, options) as whole:
        for event in whole.events():
            if isinstance(event, events.Testing) and (event.iteration, event.batch) == (9, 1):
                whole.request_snapshot()
        end, expected, watch, kept = whole.iter, weights(whole), whole.watch, whole.snapshots
        assert 12 < end < 60
    for iteration in snapshots():
        with get_solver(path, options) as resumed:
            resumed.restore(f"s_iter_{iteration}.solverstate")
            resumed.solve()
            assert resumed.iter == end
            assert_same(weights(resumed), expected)
            assert resumed.watch is not None
            assert resumed.watch.best == watch.best  # type: ignore[union-attr]
            assert {*resumed.snapshots, 9} == set(kept)


def test_the_last_snapshots_stay(tmp_path: Path) -> None:
    Path("s_iter_1.solverstate").write_text("of another training")
    solver = linear(tmp_path, SGD + SAVED, Options(keep_last=2))
    solver.step(9)
    assert solver.snapshots == [6, 8]
    assert Path("s_iter_1.solverstate").read_text() == "of another training"
    Path("s_iter_1.solverstate").unlink()
    assert snapshots() == [6, 8]
    solver.request_snapshot()
    solver.step(1)
    assert snapshots() == [8, 10]


def test_a_resumed_training_knows_its_snapshots(tmp_path: Path) -> None:
    linear(tmp_path, SGD + SAVED).step(6)
    resumed = linear(tmp_path, SGD + SAVED, Options(keep_last=2))
    resumed.restore("s_iter_4.solverstate")
    resumed.step(4)
    assert snapshots() == [6, 8]


def test_the_best_snapshot_stays_beside_the_last(tmp_path: Path) -> None:
    options = Options(watch="loss", keep_best=True, keep_last=2)
    solver = linear(tmp_path, SGD.replace("0.9", "0") + TESTED.replace("4", "3") + SAVED, options)
    spoil(solver, 9)
    stream = list(solver.events(21))
    saved = [e.iteration for e in stream if isinstance(e, events.Snapshot)]
    assert saved == [0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 16, 18, 20]  # the tests at 0, 3, 6 and 9 were the best so far
    assert snapshots() == [9, 18, 20]


def test_what_was_best_can_be_restored(tmp_path: Path) -> None:
    solver = linear(tmp_path, SGD + TESTED + 'snapshot_prefix: "s"', Options(keep_best=True, watch="loss"))
    at: dict[int, list] = {}
    solver.add_callback(after_test=lambda tested: at.__setitem__(tested.iteration, weights(solver)))
    solver.step(9)
    solver.restore("s_iter_8.solverstate")
    assert_same(weights(solver), at[8])


def test_a_file_that_cannot_be_deleted_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, SGD + SAVED, Options(keep_last=1))
    solver.step(2)
    Path("s_iter_2_resume.json").unlink()
    Path("s_iter_2_resume.json").mkdir()
    solver.step(2)
    assert "the old snapshot s_iter_2_resume.json stays" in caplog.text
    assert not Path("s_iter_2.caffemodel").exists()


def test_superfluous() -> None:
    assert snapshot.superfluous([1, 2, 3], 0, None) == []
    assert snapshot.superfluous([1, 2, 3], 1, None) == [1, 2]
    assert snapshot.superfluous([1, 2, 3], 1, 1) == [2]
    assert snapshot.superfluous([1], 3, None) == []


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="keep_last: is -1; give 0 or more"):
        Options(keep_last=-1)
    with pytest.raises(ArgumentError, match="no output of a test net"):
        linear(tmp_path, SGD, Options(patience=1))
