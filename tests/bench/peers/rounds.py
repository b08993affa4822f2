"""Programs that take turns: one process each, all on the same cores, A B C, A B C, and so on.

What disturbs the machine for a while disturbs all of them, so ratios are worth more than times.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers.cases import Case, prepare

WORKERS = Path(__file__).with_name("workers")
OURS = "caffe_sdk"
ROUND_SECONDS = 0.25  # for our own steps of one round
MOST_STEPS = 200
PAUSE = 0.02  # between two programs, so that the threads of the one before are asleep
TOLERANCE = 1e-3


class WorkerFailed(Exception):
    """A program ended, or computes something else than ours."""


class Worker:
    """A program that has built a case and waits for its turn. ``limit`` are the seconds an answer may take at most."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        threads: int,
        more: Mapping[str, str] | None = None,
        limit: float = math.inf,
    ) -> None:
        self.name, self._limit = name, limit
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(Path(__file__).parents[3])}
        environment.update(more or {})
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in `close`)
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        if threads == 1:
            os.sched_setaffinity(self._process.pid, {max(os.sched_getaffinity(0))})

    def answer(self) -> Any:
        """What the program says next; WorkerFailed with its last words when it has ended instead."""
        assert self._process.stdout is not None
        if self._limit < math.inf and not select.select([self._process.stdout], [], [], self._limit)[0]:
            self._process.kill()
            raise WorkerFailed(f"{self.name}: no answer in {self._limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise WorkerFailed(f"{self.name}: {self._errors.read()[-600:].strip()}")
        return json.loads(line)

    def ask(self, order: str) -> Any:
        """The answer to an order of the workers' protocol."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@dataclass
class Times:
    """The median of each round's steps and the quickest step, in milliseconds, of a version of a program."""

    version: str
    rounds: list[float] = field(default_factory=list)
    minimum: float = math.inf

    def add(self, steps: Sequence[float]) -> None:
        """A further round, by the seconds of its steps."""
        self.rounds.append(statistics.median(steps) * 1e3)
        self.minimum = min(self.minimum, min(steps) * 1e3)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass
class Result:
    """A case with everybody's times; what could not take part, and why."""

    case: Case
    threads: int
    busy: bool
    times: dict[str, Times]
    failures: dict[str, str]

    def ratio(self, peer: str) -> float:
        """How much longer the peer takes than we: the median over rounds."""
        pairs = zip(self.times[peer].rounds, self.times[OURS].rounds, strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def ratio_of_minima(self, peer: str) -> float:
        """How much longer the peer's quickest step is than ours."""
        return self.times[peer].minimum / self.times[OURS].minimum


def command_of(peer: str, python: Path, folder: Path, train: bool, threads: int) -> list[str]:
    """The command that starts a program on a prepared case."""
    mode = "training" if train else "inference"
    if peer == OURS:
        return [sys.executable, str(WORKERS / "ours.py"), str(folder), mode, str(threads)]
    return [str(python), str(WORKERS / "others.py"), peer, str(folder), mode, str(threads)]


def compare(case: Case, peers: Sequence[str], python: Path, threads: int, rounds: int, busy: bool = False) -> Result:
    """Build a case, hold everybody's numbers against ours, and let them take turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(case, folder / "timed")
        failures: dict[str, str] = {}
        versions: dict[str, str] = {}
        if case.train:
            prepare(case, folder / "checked", checked=True)
            with _workers(case, folder / "checked", peers, python, threads, failures, versions) as workers:
                failures.update(disagreements(workers))
        takers = [peer for peer in peers if peer not in failures]
        with _workers(case, folder / "timed", takers, python, threads, failures, versions) as workers:
            if not case.train:
                failures.update(disagreements(workers))
            workers = {peer: worker for peer, worker in workers.items() if peer not in failures}
            with _busy_core() if busy else contextlib.nullcontext():
                times = take_turns(workers, versions, threads, rounds)
    return Result(case, threads, busy, times, failures)


@contextlib.contextmanager
def _workers(
    case: Case,
    folder: Path,
    peers: Sequence[str],
    python: Path,
    threads: int,
    failures: dict[str, str],
    versions: dict[str, str],
) -> Iterator[dict[str, Worker]]:
    """Everybody who gets ready, which ours must. Adds why others do not, and the versions of those who do."""
    started = {
        peer: Worker(peer, command_of(peer, python, folder, case.train, threads), threads) for peer in (OURS, *peers)
    }
    workers: dict[str, Worker] = {}
    try:
        for peer, worker in started.items():
            try:
                versions[peer] = worker.answer()["version"]
                workers[peer] = worker
            except WorkerFailed as failure:
                if peer == OURS:
                    raise
                failures[peer] = str(failure)
        yield workers
    finally:
        for worker in started.values():
            worker.close()


def disagreements(workers: Mapping[str, Worker]) -> dict[str, str]:
    """Who computes something else than we do, and how far off it is.

    Probabilities are compared by their logarithms, which are what a net computes, relative to the range of ours; losses
    as they are, relative to the largest.
    """
    ours = workers[OURS].ask("check")
    found = {}
    for peer, worker in workers.items():
        if peer == OURS:
            continue
        try:
            off = difference(ours, worker.ask("check"))
        except WorkerFailed as failure:
            found[peer] = str(failure)
            continue
        if not off <= TOLERANCE:
            found[peer] = f"differs from ours by {off:.2g}"
    return found


def difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest difference, relative to how far our numbers reach; infinite when there are more or fewer."""
    if len(ours) != len(theirs):
        return math.inf
    if max(ours) <= 1 and min(ours) >= 0:
        ours, theirs = [[math.log(max(p, 1e-30)) for p in row] for row in (ours, theirs)]
    reach = max(ours) - min(ours) if min(ours) < 0 else max(ours)
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / reach


def take_turns(
    workers: Mapping[str, Worker], versions: Mapping[str, str], threads: int, rounds: int
) -> dict[str, Times]:
    """Milliseconds a step: with one thread the processor's, which others on the core do not add to; else the wall's."""
    clock = "processor" if threads == 1 else "wall"
    steps = max(1, min(MOST_STEPS, int(ROUND_SECONDS / min(workers[OURS].ask("go 3")["wall"]))))
    for worker in workers.values():
        worker.ask(f"go {min(steps, 3)}")
    times = {peer: Times(versions[peer]) for peer in workers}
    for _ in range(rounds):
        for peer, worker in workers.items():
            time.sleep(PAUSE)
            times[peer].add(worker.ask(f"go {steps}")[clock])
    return times


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    """Another process that computes all the time on one of the cores."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    try:
        yield
    finally:
        process.kill()
        process.wait()
