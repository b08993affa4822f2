"""Processes of one computer train one net: the same as one process with all their data, and none is left waiting."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk import ranks
from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.solver import get_solver
from caffe_sdk.solver.parallel import BUCKET
from caffe_sdk.solver.processes import Processes, Shared, together
from tests.solver.models import write, write_digits
from tests.solver.test_parallel import PLAIN, SAVING, command_line, saved, wait_for

ROOT = Path(__file__).resolve().parents[2]
TRAIN_PY = [sys.executable, str(ROOT / "tools" / "train.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CAFFE_ENGINE": "reference"}


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_ENGINE", "reference")  # which starts quickly


def in_threads(size: int) -> list[Processes]:
    """Peers as threads of this process, which is as good for what they exchange."""
    from multiprocessing import RawArray
    from queue import Queue

    shared = Shared(size, RawArray("b", 2 * size * BUCKET), threading.Barrier(size), Queue())
    return [Processes(rank, shared) for rank in range(size)]


def on_each(peers: list[Processes], work: Any) -> list[Any]:
    results: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda p=peer: results.update({p.rank: work(p)})) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [results[peer.rank] for peer in peers]


def test_what_peers_agree_on() -> None:
    peers = in_threads(3)
    assert on_each(peers, lambda p: p.any(p.rank == 1, False)) == [(True, False)] * 3
    assert on_each(peers, lambda p: p.mean(p.rank + 0.1)) == [pytest.approx(1.1)] * 3
    assert on_each(peers, lambda p: [p.gather({"of": p.rank, "time": i}) for i in range(2)]) == [
        [[{"of": rank, "time": i} for rank in range(3)] for i in range(2)],
        *[[[], []]] * 2,
    ]


def test_what_peers_exchange(rng: np.random.Generator) -> None:
    """Small arrays together, one larger than a bucket in parts, and several types."""
    kinds = [(3, "f4"), (BUCKET // 4 + 5, "f4"), (7, "f4"), (2, "f8")]
    values = [[rng.standard_normal(count).astype(kind) for count, kind in kinds] for _ in range(2)]

    def memories(peer: Processes) -> list[SyncedMemory]:
        made = [SyncedMemory(count, kind) for count, kind in kinds]
        for memory, value in zip(made, values[peer.rank], strict=True):
            memory.write(HOST)[: memory.count] = value
        return made

    def exchange(peer: Processes) -> list[list[Any]]:
        averaged, copied = memories(peer), memories(peer)
        peer.average(averaged)
        peer.copy_first(copied)
        return [[memory.read(HOST)[: memory.count] for memory in made] for made in (averaged, copied)]

    for averaged, copied in on_each(in_threads(2), exchange):
        for i, (a, b) in enumerate(zip(*values, strict=True)):
            np.testing.assert_allclose(averaged[i], (a + b) / 2, rtol=1e-6)
            np.testing.assert_array_equal(copied[i], a)


def learn(folder: str, peers: Processes) -> int:
    """What each process does in the next test."""
    os.chdir(folder)
    assert (ranks.solver_rank(), ranks.solver_count(), ranks.multiprocess()) == (peers.rank, 2, True)
    with get_solver("solver.prototxt", peers=peers) as solver:
        solver.step(6)
        solver.net.save(f"two.{peers.rank}.caffemodel")
    return 0


@pytest.mark.slow
def test_two_learn_what_one_learns_from_twice_the_batch(tmp_path: Path) -> None:
    write_digits(tmp_path)
    write(tmp_path, SAVING + "clip_gradients: 2", PLAIN)
    assert together(functools.partial(learn, str(tmp_path)), 2) == 0
    write(tmp_path, SAVING + "clip_gradients: 2", PLAIN.replace("batch_size: 5", "batch_size: 10"))
    with get_solver("solver.prototxt") as whole:
        whole.step(6)
        whole.net.save("one.caffemodel")
    for a, b, c in zip(saved("two.0"), saved("two.1"), saved("one"), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentError, match="0 processes"):
        together(functools.partial(learn, ""), 0)


@pytest.mark.slow
def test_train_py_with_two_devices(tmp_path: Path) -> None:
    write_digits(tmp_path)
    write(tmp_path, SAVING + "display: 2 max_iter: 4", PLAIN)
    command = [*TRAIN_PY, "--solver", "solver.prototxt", "--gpus", "0", "1", "--timing"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for words in ("Using devices [0, 1]", "There is no GPU here: 2 processes on the CPU", "Optimization Done."):
        assert done.stderr.count(words) == 1, words
    assert done.stderr.count("allreduce: ") == done.stderr.count("solver total: ") == 2
    assert done.stderr.count("] forw   1 ") == done.stderr.count("] back   1 ") == 2
    assert Path("s_iter_4.caffemodel").exists()


@pytest.mark.slow
def test_signals_reach_all_and_a_death_ends_all(tmp_path: Path) -> None:
    command_line(tmp_path)
    train = [*TRAIN_PY, "--solver", "solver.prototxt", "--gpus", "0", "1"]
    with open("log", "w") as log, subprocess.Popen(train, env=ENVIRONMENT, stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        job.send_signal(signal.SIGUSR1)
        wait_for(r"solver state to.*Iteration \d+ \(")
        job.send_signal(signal.SIGTERM)
        assert job.wait(60) == 0
    text = Path("log").read_text()
    assert text.count("Optimization stopped early.") == text.count("Starting Optimization") == 1
    with open("log", "w") as log, subprocess.Popen(train, env=ENVIRONMENT, stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        children = [int(pid) for pid in Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()]
        spawned = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(spawned[1], signal.SIGKILL)
        began = time.monotonic()
        assert job.wait(60) == 128 + signal.SIGKILL
        assert time.monotonic() - began < 5
    assert not any(Path(f"/proc/{pid}").exists() for pid in spawned)


@pytest.mark.slow
def test_nobody_stays_when_the_parent_dies(tmp_path: Path) -> None:
    command_line(tmp_path)
    train = [*TRAIN_PY, "--solver", "solver.prototxt", "--gpus", "0", "1"]
    with open("log", "w") as log, subprocess.Popen(train, env=ENVIRONMENT, stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        children = [int(pid) for pid in Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()]
        job.kill()
    deadline = time.monotonic() + 10
    while any(running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(running(pid) for pid in children)


def running(pid: int) -> bool:
    """Whether a process is there, and not as one that has ended and that nobody has asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
