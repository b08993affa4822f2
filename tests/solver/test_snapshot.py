"""Snapshots: Caffe's files, and trainings that go on from them exactly."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.errors import CorruptFileError, MissingFileError, SolverError, WeightsError, WriteError
from caffe_sdk.schema import hdf5, wire
from caffe_sdk.schema.messages import NetParameter, SolverState
from caffe_sdk.solver import events, get_solver, snapshot
from tests.bench import kills
from tests.solver.models import DIGITS, LINEAR, SGD, assert_same, linear, weights, write, write_digits

TRAINING = SGD.replace("0.1", "0.05") + 'snapshot: 4 snapshot_prefix: "s" average_loss: 3 '
TESTING = "test_iter: 3 test_interval: 3 "


@pytest.fixture(params=["reference", "cpu"], autouse=True)
def every_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs with both engines, in processes it starts too."""
    monkeypatch.setenv("CAFFE_ENGINE", request.param)
    with engine.use(request.param):
        yield


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- Caffe's files -----------------------------------------------------------------------------------------------------


def test_the_files_are_messages_that_caffe_reads(tmp_path: Path) -> None:
    solver = linear(tmp_path, TRAINING + 'type: "Adam"')
    solver.step(4)
    names = ["s_iter_4.caffemodel", "s_iter_4.solverstate", "s_iter_4_resume.json"]
    assert sorted(p.name for p in tmp_path.glob("s_*")) == names
    state = SolverState.FromString((tmp_path / names[1]).read_bytes())
    assert (state.iter, state.learned_net, state.current_step) == (4, names[0], 0)
    net = NetParameter.FromString((tmp_path / names[0]).read_bytes())
    (layer,) = [layer for layer in net.layer if layer.name == "ip"]
    assert_same([np.reshape(b.data, b.shape.dim).astype(np.float32) for b in layer.blobs], weights(solver))
    # Adam's means of gradients first, for all parameters, then those of their squares
    assert [list(b.shape.dim) for b in state.history] == [[4, 3], [4], [4, 3], [4]]
    assert min(state.history[0].data) < 0 <= min(state.history[2].data)


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_gradients_can_be_saved_too(tmp_path: Path, form: str) -> None:
    solver = linear(tmp_path, TRAINING + f"snapshot_diff: true snapshot_format: {form}")
    solver.step(1)
    solver.snapshot()
    if form == "HDF5":
        blobs = list(hdf5.read_net("s_iter_1.caffemodel.h5")["ip"].values())
    else:
        (blobs,) = [each.blobs for each in wire.read_net("s_iter_1.caffemodel").layers if each.name == "ip"]
    for blob, mine in zip(blobs, solver.net.params["ip"], strict=True):
        assert blob.diff is not None
        np.testing.assert_array_equal(blob.diff, mine.diff)
        assert np.abs(blob.diff).max() > 0


def test_names_of_snapshots(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for prefix, expected in (("", "solver"), ("folder", "folder/solver"), ("folder/x", "folder/x")):
        text = SGD + f'snapshot_prefix: "{prefix}"' if prefix else SGD
        solver = get_solver(write(tmp_path, text).relative_to(tmp_path))
        assert solver.snapshot() == f"{expected}_iter_0.solverstate"
        assert Path(f"{expected}_iter_0.caffemodel").exists()


@pytest.mark.parametrize("case", ["SGD_14", "SGD_15", "Nesterov_5", "AdaGrad_5", "Adam_5"])
def test_solverstates_of_caffe_are_read(case: str, shared: Path) -> None:
    folder = shared / "golden" / "solvers" / case
    state = snapshot.read_state(folder / "snap_iter_10.solverstate")
    assert state.state.iter == 10
    blobs = [blob for layer in wire.read_net(folder / "snap_iter_10.caffemodel").layers for blob in layer.blobs]
    times = 2 if case.startswith("Adam") else 1
    assert [h.shape for h in state.history] == [b.shape for b in blobs] * times


# -- exactly as if nothing had happened --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_resumed_training_equals_the_uninterrupted_one(tmp_path: Path, form: str) -> None:
    """Data position, crops, mirroring, dropout, momentum and the average's losses: all go on where they were."""
    write_digits(tmp_path)
    path = write(tmp_path, TRAINING + TESTING + f"snapshot_format: {form}", DIGITS)
    with get_solver(path) as whole:
        expected = [e for e in whole.events(11) if isinstance(e, (events.Iteration, events.Tested))]
        final = weights(whole)
    with get_solver(path) as resumed:
        resumed.restore("s_iter_8.solverstate" + (".h5" if form == "HDF5" else ""))
        got = [e for e in resumed.events(3) if isinstance(e, (events.Iteration, events.Tested))]
        assert_same(weights(resumed), final)
    assert [told(e) for e in got] == [told(e) for e in expected[-len(got) :]]


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_plateau_goes_on_where_it_was(tmp_path: Path, form: str) -> None:
    write_digits(tmp_path)
    text = TRAINING.replace("fixed", "plateau") + f"gamma: 0.1 plateau_winsize: [3, 2, 3] snapshot_format: {form}"
    path = write(tmp_path, text, DIGITS)
    with get_solver(path) as whole:
        expected = [e.rate for e in whole.events(16) if isinstance(e, events.Iteration)]
        final, steps = weights(whole), whole.current_step
    assert steps >= 2
    for iteration in (4, 8, 12):
        with get_solver(path) as resumed:
            resumed.restore(f"s_iter_{iteration}.solverstate" + (".h5" if form == "HDF5" else ""))
            got = [e.rate for e in resumed.events(16 - iteration) if isinstance(e, events.Iteration)]
            assert got == expected[iteration:]
            assert_same(weights(resumed), final)


def told(event: events.Iteration | events.Tested) -> object:
    if isinstance(event, events.Iteration):
        return event.iteration, event.loss, event.smoothed_loss, event.rate
    return event


def test_a_snapshot_made_in_a_test_resumes_exactly(tmp_path: Path) -> None:
    write_digits(tmp_path)
    path = write(tmp_path, TRAINING + TESTING, DIGITS)
    with get_solver(path) as whole:
        for event in whole.events(7):
            if isinstance(event, events.Testing) and (event.iteration, event.batch) == (6, 1):
                whole.request_snapshot()
        final = weights(whole)
    with get_solver(path) as resumed:
        resumed.restore("s_iter_6.solverstate")
        resumed.step(1)
        assert_same(weights(resumed), final)


def test_a_solver_that_has_trained_can_go_back(tmp_path: Path) -> None:
    write_digits(tmp_path)
    with get_solver(write(tmp_path, TRAINING + TESTING, DIGITS)) as solver:
        solver.step(6)
        first = weights(solver)
        solver.restore("s_iter_4.solverstate")
        assert solver.iter == 4
        solver.step(2)
        assert_same(weights(solver), first)


def test_training_goes_on_after_being_killed(tmp_path: Path) -> None:
    """The process dies by SIGKILL in the midst of an iteration after a snapshot."""
    write_digits(tmp_path)
    path = write(tmp_path, TRAINING + "max_iter: 10 snapshot_after_train: false", DIGITS)
    script = """
        import os, signal, sys
        from caffe_sdk import get_solver
        solver = get_solver(sys.argv[1])
        solver.add_callback(lambda: None, lambda: solver.iter == 6 and os.kill(os.getpid(), signal.SIGKILL))
        solver.solve()
    """
    run = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    root = str(Path(__file__).resolve().parents[2])
    killed = subprocess.run(run, env={**os.environ, "PYTHONPATH": root}, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not Path("s_iter_8.solverstate").exists()
    with get_solver(path) as resumed:
        resumed.solve("s_iter_4.solverstate")
        got = weights(resumed)
    with get_solver(path) as whole:
        whole.step(10)
        assert_same(got, weights(whole))


@pytest.mark.slow
def test_a_training_killed_at_any_moment_goes_on(rng: np.random.Generator) -> None:
    """Snapshots all the time, and kills at random moments; `tests/bench/kills.py` does it two hundred times."""
    assert kills.killed_often(3, rng) >= 3


def test_a_training_that_was_abandoned_goes_on(tmp_path: Path) -> None:
    write_digits(tmp_path)
    path = write(tmp_path, TRAINING, DIGITS)
    with get_solver(path) as abandoned:
        for event in abandoned.events(100):
            if isinstance(event, events.Snapshot):
                break
        abandoned.step(1)
    with get_solver(path) as resumed, get_solver(path) as whole:
        resumed.restore("s_iter_4.solverstate")
        resumed.step(3)
        whole.step(7)
        assert_same(weights(resumed), weights(whole))


def test_snapshots_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    (tmp_path / "kept").mkdir()
    for path in list(tmp_path.glob("s_iter_4*")):
        path.rename(tmp_path / "kept" / path.name)
    other = linear(tmp_path, TRAINING)
    other.restore("kept/s_iter_4.solverstate")
    assert_same(weights(other), weights(solver))


# -- what does not belong together -------------------------------------------------------------------------------------


def test_without_a_record_it_goes_on_as_caffe_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    record = Path("s_iter_4_resume.json")
    text = record.read_text()
    for damage in (None, "", "[1]", text[: len(text) // 2], json.dumps({**json.loads(text), "format": 99})):
        caplog.clear()
        record.unlink() if damage is None else record.write_text(damage)
        other = linear(tmp_path, TRAINING)
        other.restore("s_iter_4.solverstate")
        assert other.iter == 4
        assert_same(weights(other), weights(solver))
        assert "data and random numbers start anew, as Caffe starts them" in caplog.text


def test_a_record_of_other_files_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    record = Path("s_iter_4_resume.json").read_text()
    solver.restore("s_iter_4.solverstate")
    solver.net.params["ip"][0].data[...] = 1
    solver._history[0][0].memory.clear()
    solver.snapshot()
    Path("s_iter_4_resume.json").write_text(record)
    with caplog.at_level(logging.WARNING):
        solver.restore("s_iter_4.solverstate")
    assert "s_iter_4_resume.json belongs to another snapshot" in caplog.text


def test_one_file_of_another_training_is_found_out(tmp_path: Path) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    files = {name: Path(name).read_bytes() for name in ("s_iter_4.caffemodel", "s_iter_4.solverstate")}
    other = linear(tmp_path, TRAINING.replace("seed: 3", "seed: 4"))
    other.step(4)
    record = Path("s_iter_4_resume.json")
    for name, data in files.items():
        mine = Path(name).read_bytes()
        Path(name).write_bytes(data)
        before = weights(other)
        with pytest.raises(CorruptFileError, match=rf"{name}: is not the file .* delete s_iter_4_resume.json"):
            other.restore("s_iter_4.solverstate")
        assert_same(weights(other), before)
        Path(name).write_bytes(mine)
    record.unlink()
    other.restore("s_iter_4.solverstate")


def test_errors_of_restore_change_nothing(tmp_path: Path) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    solver.step(1)
    before = weights(solver)
    state = Path("s_iter_4.solverstate").read_bytes()
    Path("short.solverstate").write_bytes(state[:-5])
    wire.write_state("few.solverstate", SolverState(iter=3), [wire.BlobArray(np.zeros((4, 3), np.float32))])
    shapes = [wire.BlobArray(np.zeros(shape, np.float32)) for shape in ((3, 4), (4,))]
    wire.write_state("other.solverstate", SolverState(iter=3), shapes)
    fits = [wire.BlobArray(np.zeros(shape, np.float32)) for shape in ((4, 3), (4,))]
    wire.write_state("alone.solverstate", SolverState(iter=3, learned_net="no.caffemodel"), fits)
    wider = get_solver(write(tmp_path / "", SGD, LINEAR.replace("num_output: 4", "num_output: 5")))
    wider.net.save("wide.caffemodel")
    wire.write_state("wide.solverstate", SolverState(iter=3, learned_net="wide.caffemodel"), fits)
    for name, kind, words in (
        ("no", MissingFileError, "Could not open file no.solverstate"),
        ("short", CorruptFileError, "short.solverstate: damaged at byte .* is cut short"),
        ("few", SolverError, "Incorrect length of history blobs. It has 1, this solver 2"),
        ("other", SolverError, r"history blob 0 has shape \(3, 4\), and the parameter it belongs to \(4, 3\)"),
        ("alone", MissingFileError, "Could not open file no.caffemodel"),
        ("wide", WeightsError, "shape mismatch"),
    ):
        with pytest.raises(kind, match=words):
            solver.restore(f"{name}.solverstate")
        assert solver.iter == 5
        assert_same(weights(solver), before)


def test_a_snapshot_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    solver = linear(tmp_path, TRAINING)
    solver.step(4)
    kept = {path: path.read_bytes() for path in tmp_path.glob("s_*")}
    Path("s_iter_8.solverstate").mkdir()
    with pytest.raises(WriteError, match=r"s_iter_8\.solverstate"):
        solver.step(4)
    assert {path: path.read_bytes() for path in kept} == kept
    Path("s_iter_8.solverstate").rmdir()
    solver.snapshot()
    solver.step(1)
    assert solver.iter == 9


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_full_disk_leaves_the_last_snapshot(tmp_path: Path, form: str) -> None:
    """Whichever of the three files no longer has room. No file may grow larger than a limit: to a writer that is a
    full disk.
    """
    resource = pytest.importorskip("resource", reason="this system has no limits of file sizes")
    solver = linear(tmp_path, TRAINING + f'type: "Adam" snapshot_format: {form}')
    solver.step(4)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    solver.step(1)
    sizes = [len(data) for path, data in kept.items() if path.name.startswith("s_")]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (10, *(size - 1 for size in sizes)):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(WriteError, match=r"s_iter_5\S+: cannot be written: File too large; free some space"):
                solver.snapshot()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    solver.snapshot()
    assert len(list(tmp_path.glob("s_iter_5*"))) == 3


def test_what_a_killed_training_left_is_swept_by_the_next_snapshot(tmp_path: Path) -> None:
    write_digits(tmp_path)
    path = write(tmp_path, TRAINING + "max_iter: 10", DIGITS)
    script = """
        import os, signal, sys
        from caffe_sdk import get_solver
        from caffe_sdk.schema import files
        files.os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
        get_solver(sys.argv[1]).solve()
    """
    root = str(Path(__file__).resolve().parents[2])
    run = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    subprocess.run(run, env={**os.environ, "PYTHONPATH": root}, timeout=120, check=False)
    assert len(list(tmp_path.glob(".s_iter_4.caffemodel.*.part"))) == 1
    assert not list(tmp_path.glob("s_iter*"))
    with get_solver(path) as again:
        again.step(4)
    assert not list(tmp_path.glob(".*"))
