"""Log lines of events that a plain training does not show; those it shows are in test_solver."""

from __future__ import annotations

import pytest

from caffe_sdk.solver import events
from caffe_sdk.solver.log import TrainingLog


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (events.Testing(10, 1, 0, 5), ["Iteration 10, Testing net (#1)"]),
        (events.Testing(10, 1, 1, 5), []),
        (events.Tested(10, 1, (), interrupted=True), ["Test interrupted."]),
        (
            events.Tested(10, 1, (events.Output("accuracy", 0.99119, 0), events.Output("loss", 3e-9, 0.5)), 1.25),
            [
                "Test loss: 1.25",
                "    Test net output #0: accuracy = 0.99119",
                "    Test net output #1: loss = 3e-09 (* 0.5 = 1.5e-09 loss)",
            ],
        ),
        (events.Iteration(7, 1, 1, 0.1, (), 0.1, displayed=False), []),
        (
            events.Snapshot(9, ("s.caffemodel.h5", "s.solverstate.h5", "s_resume.json")),
            [
                "Snapshotting to HDF5 file s.caffemodel.h5",
                "Snapshotting solver state to HDF5 file s.solverstate.h5",
            ],
        ),
        (events.Evaluated(9, 0.00012345678), ["Iteration 9, loss = 0.000123457"]),
        (events.Finished(9, stopped=True), []),
    ],
)
def test_lines(event: events.Event, lines: list[str]) -> None:
    assert TrainingLog().lines(event) == lines


@pytest.mark.parametrize(("stopped", "words"), [(True, "Optimization stopped early."), (False, "Optimization Done.")])
def test_a_solve_says_how_it_ended(stopped: bool, words: str) -> None:
    log = TrainingLog()
    assert log.lines(events.Started(0, "LeNet", "inv")) == ["Solving LeNet", "Learning Rate Policy: inv"]
    assert log.lines(events.Finished(9, stopped)) == [words]


def test_speed_is_counted_between_displays() -> None:
    log = TrainingLog()
    for iteration in (100, 150):
        line = log.lines(events.Iteration(iteration, 2, 3, 0.1, (), 0.1, displayed=True))[0]
        done = iteration - 100
        assert line.startswith(f"Iteration {iteration} (")
        assert line.endswith(f"s/{done} iters), loss = 3")
        assert (float(line.split("(")[1].split()[0]) > 0) == (done > 0)
