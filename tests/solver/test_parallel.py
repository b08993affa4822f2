"""Several processes train one net: the same as one process with all their data, saved and resumed exactly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.schema import wire
from caffe_sdk.solver import get_solver, parallel, peers, snapshot
from tests.solver import mpi
from tests.solver.models import DIGITS, SGD, weights, write, write_digits

SAVING = SGD.replace("0.1", "0.05") + 'snapshot: 4 snapshot_prefix: "s" average_loss: 3 '
PLAIN = re.sub(r'layer { name: "drop".*\n', "", DIGITS).replace("crop_size: 8 ", "").replace("mirror: true ", "")
TRAIN = """
    import sys
    from caffe_sdk import get_solver
    from caffe_sdk.solver import parallel
    peers = parallel.join()
    solver = get_solver("solver.prototxt", peers=peers)
    for path in sys.argv[3:]:
        solver.restore(path)
    solver.step(int(sys.argv[1]))
    solver.net.save(f"{sys.argv[2]}.{peers.rank}.caffemodel")
    print(f"rank {peers.rank} tests with {len(solver.test_nets)} nets\\n", end="", flush=True)  # in one piece
"""


@pytest.fixture(params=["reference", "cpu"], autouse=True)
def every_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs with both engines, in processes it starts too."""
    monkeypatch.setenv("CAFFE_ENGINE", request.param)
    with engine.use(request.param):
        yield


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(name: str) -> list[np.ndarray]:
    return [blob.data for layer in wire.read_net(f"{name}.caffemodel").layers for blob in layer.blobs]


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns_from_twice_the_batch(tmp_path: Path) -> None:
    write_digits(tmp_path)
    text = SAVING + "clip_gradients: 2 iter_size: 2 weight_decay: 0.01 test_iter: 2 test_interval: 5"
    write(tmp_path, text, PLAIN)
    told = mpi.run(2, TRAIN, 12, "two")
    assert {"rank 0 tests with 1 nets", "rank 1 tests with 0 nets"} <= set(told.splitlines())
    for a, b in zip(saved("two.0"), saved("two.1"), strict=True):
        np.testing.assert_array_equal(a, b)
    write(tmp_path, text, PLAIN.replace("batch_size: 5", "batch_size: 10"))
    with get_solver("solver.prototxt") as whole:
        whole.step(12)
        for a, b in zip(saved("two.0"), weights(whole), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_resumed_training_of_two_ranks_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    """With crops, mirroring and dropout, which each rank draws for itself."""
    write_digits(tmp_path)
    write(tmp_path, SAVING, DIGITS)
    mpi.run(2, TRAIN, 7, "whole")
    mpi.run(2, TRAIN, 3, "resumed", "s_iter_4.solverstate")
    for a, b in zip(saved("whole.0"), saved("resumed.0"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_one_process_goes_on_where_two_were(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_digits(tmp_path)
    write(tmp_path, SAVING, PLAIN)
    mpi.run(2, TRAIN, 4, "two")
    write(tmp_path, SAVING, PLAIN.replace("batch_size: 5", "batch_size: 10"))
    with get_solver("solver.prototxt") as one, get_solver("solver.prototxt") as whole:
        one.restore("s_iter_4.solverstate")
        assert "The snapshot is of 2 ranks, and there are 1: random numbers start anew" in caplog.text
        one.step(2)
        whole.step(6)
        for a, b in zip(weights(one), weights(whole), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# -- jobs ------------------------------------------------------------------------------------------------------------


def command_line(tmp_path: Path) -> list[str]:
    write_digits(tmp_path)
    solver = SAVING.replace("snapshot: 4", "") + "max_iter: 10000000 display: 1 test_iter: 2 test_interval: 100"
    write(tmp_path, solver, DIGITS)
    return [sys.executable, "-m", "caffe_sdk.cli", "train", "-solver", "solver.prototxt"]


def wait_for(pattern: str) -> str:
    deadline = time.monotonic() + 90
    while not re.search(pattern, text := Path("log").read_text(), re.DOTALL):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return text


@pytest.mark.slow
def test_signals_reach_all_ranks(tmp_path: Path) -> None:
    with open("log", "w") as log, mpi.job(2, command_line(tmp_path), stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        job.send_signal(signal.SIGUSR1)
        wait_for(r"solver state to.*Iteration \d+ \(")
        job.send_signal(signal.SIGINT)
        assert job.wait(30) == 0
    text = Path("log").read_text()
    assert text.count("Optimization stopped early.") == text.count("Starting Optimization") == 1
    assert text.count("Iteration 2, lr") == 1
    assert len(list(tmp_path.glob("*.solverstate"))) == text.count("solver state to") == 2


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_job_which_goes_on_from_the_last_snapshot(tmp_path: Path) -> None:
    command = command_line(tmp_path)
    with open("solver.prototxt", "a") as solver:
        solver.write(" snapshot: 2")
    with open("log", "w") as log, mpi.job(2, command, stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        ranks = ranks_of(job.pid)
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        began = time.monotonic()
        assert job.wait(30) != 0
        assert time.monotonic() - began < 2
    deadline = time.monotonic() + 2
    while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    last = max(tmp_path.glob("*.solverstate"), key=lambda path: int(path.stem.split("_")[-1]))
    reached = int(last.stem.split("_")[-1])
    with open("log", "w") as log, mpi.job(2, [*command, "-snapshot", last.name], stdout=log, stderr=log) as job:
        assert f"Iteration {reached} (" in wait_for(rf"Iteration {reached + 1} \(")
        job.send_signal(signal.SIGINT)
        assert job.wait(30) == 0


def ranks_of(job: int) -> list[int]:
    """The processes that train, from the launcher's: its grandchildren, in the order they were started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(pid)
    return sorted(rank for proxy in children.get(job, []) for rank in children.get(proxy, []))


@pytest.mark.slow
def test_an_error_on_one_rank_ends_the_job(tmp_path: Path) -> None:
    command = command_line(tmp_path)
    Path("bad.py").write_text(
        "from caffe_sdk.errors import DataError\nfrom caffe_sdk.ranks import solver_rank\n"
        "from caffe_sdk.solver.rates import policy\n\n\n@policy('bad')\ndef bad(param, iteration, step):\n"
        "    if solver_rank() == 1 and iteration == 3:\n        raise DataError('x', 'is bad')\n    return 0.1\n"
    )
    Path("solver.prototxt").write_text(Path("solver.prototxt").read_text().replace('"fixed"', '"bad"'))
    with open("log", "w") as log, mpi.job(2, [*command, "--import", "bad"], stdout=log, stderr=log) as job:
        assert job.wait(90) == 6
    assert "caffe (rank 1 of 2): data: x: is bad" in Path("log").read_text()


# -- pieces ----------------------------------------------------------------------------------------------------------


class TwoAlike:
    """A communicator of two ranks that always have the same numbers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def Get_rank(self) -> int:
        return 0

    def Get_size(self) -> int:
        return 2

    def Allreduce(self, where: Any, array: np.ndarray, op: Any = None) -> None:
        self.sizes.append(array.nbytes)
        array *= 1 if op else 2


def memory(count: int, dtype: Any = np.float32) -> SyncedMemory:
    made = SyncedMemory(count, dtype)
    made.write(HOST)[:count] = np.arange(count)
    return made


def test_gradients_are_exchanged_in_buckets() -> None:
    comm = TwoAlike()
    ranks = parallel.Ranks(comm)
    memories = [memory(n) for n in (3, 5, 2_500_000, 7, 0, 1_048_570, 1_000)] + [memory(4, np.float64)]
    ranks.average(memories)
    for each in memories:
        np.testing.assert_array_equal(each.read(HOST)[: each.count], np.arange(each.count))
    assert max(comm.sizes) <= parallel.BUCKET
    assert len(comm.sizes) == 7
    assert sum(comm.sizes) == sum(each.count * each.dtype.itemsize for each in memories)
    assert ranks.mean(3.0) == 3.0
    assert ranks.any(True, False) == (True, False)


def test_one_alone() -> None:
    alone = peers.Alone()
    numbers = memory(3)
    alone.average([numbers])
    alone.copy_first([numbers])
    assert numbers.read(HOST)[:3].tolist() == [0, 1, 2]
    assert (alone.any(True, False), alone.mean(2.5), alone.gather("x")) == ((True, False), 2.5, ["x"])


def test_joining_without_a_launcher_or_without_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in parallel.LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    assert not isinstance(parallel.join(), parallel.Ranks)
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(DeviceError, match=r"MPI started this, and mpi4py fails: .*; pip install 'caffe-sdk\[mpi\]'"):
        parallel.join()


def test_the_state_of_a_rank(caplog: pytest.LogCaptureFixture) -> None:
    def state(seed: int, position: int) -> dict[str, Any]:
        layers = {"data": {"seed": seed, "position": position}, "other": {"x": seed}}
        return {"random": [seed], "layers": layers}

    progress = snapshot.Progress(nets=[state(1, 50)], peers=[state(2, 50)])
    assert snapshot.state_of(1, 2, progress, state(9, 0)) == state(2, 50)
    assert not caplog.messages
    assert snapshot.state_of(2, 3, progress, state(9, 0)) == state(9, 50)
    assert caplog.messages == ["The snapshot is of 2 ranks, and there are 3: random numbers start anew"]


def test_a_script_that_is_no_job_is_alone(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in parallel.LAUNCHERS}
    script = "from caffe_sdk.solver import parallel; peers = parallel.join(); print(peers.rank, peers.size)"
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 1\n"
