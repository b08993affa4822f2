"""A net in one precision, in batches of several sizes: we and PyTorch take turns on the same GPU."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers.cases import Case, prepare
from tests.bench.peers.rounds import Times, Worker, WorkerFailed, difference

WORKERS = Path(__file__).with_name("workers")
OURS = "ours"
PRECISIONS = {
    "float32": {"CAFFE_PRECISION": "float32", "CAFFE_TF32": "0"},
    "tf32": {"CAFFE_PRECISION": "float32", "CAFFE_TF32": "1"},
    "float16": {"CAFFE_PRECISION": "float16"},
    "bfloat16": {"CAFFE_PRECISION": "bfloat16"},
    "float16-nchw": {"CAFFE_PRECISION": "float16", "CAFFE_CHANNELS_LAST": "0"},
    "bfloat16-nchw": {"CAFFE_PRECISION": "bfloat16", "CAFFE_CHANNELS_LAST": "0"},
}
"""What tells our engine of each; 16 bits lie channels last, or not."""
USUAL = ("float32", "tf32", "float16", "bfloat16")
MEASURED = {"CAFFE_CUDNN_SEARCH": "60", "CAFFE_WORKSPACE_MB": "1024"}
"""Has cuDNN's algorithms measured on our side too, as cudnn.benchmark does; ours must add in the same order always."""
TOLERANCES = {"float32": 1e-3, "tf32": 2e-2, "float16": 2e-2, "bfloat16": 1e-1}
"""How far results may be from PyTorch's before a time counts for nothing; see `distance`."""
LOSSES = 0.1
"""The same for losses: dropout is drawn by each for itself, and some have trained a few steps more when asked."""
ROUND_SECONDS = 0.15
MOST_STEPS = 100


@dataclass(frozen=True)
class Group:
    """Cases that the same processes can measure."""

    net: str
    train: bool
    precision: str
    batches: tuple[int, ...]

    @property
    def way(self) -> str:
        return "training" if self.train else "inference"

    def __str__(self) -> str:
        return f"{self.net} {self.way} {self.precision}"


@dataclass
class Row:
    """A net, a batch, a precision: times in milliseconds by program, how far results differ, what went wrong."""

    net: str
    way: str
    precision: str
    batch: int
    times: dict[str, Times] = field(default_factory=dict)
    differs: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def images(self) -> float:
        """Images a second, by our median."""
        return self.batch / self.times[OURS].median * 1e3

    def ratio(self, peer: str) -> float:
        """How much longer the peer takes than we: the median over rounds."""
        pairs = zip(self.times[peer].rounds, self.times[OURS].rounds, strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def ratio_of_minima(self, peer: str) -> float:
        """How much longer the peer's quickest step is than ours."""
        return self.times[peer].minimum / self.times[OURS].minimum


@dataclass(frozen=True)
class How:
    """How to measure: by which programs, and how long."""

    engine: str = "cuda"
    python: Path | None = None
    """Whose PyTorch is measured; None for nobody's."""
    worker: Path = WORKERS / "pytorch.py"
    rounds: int = 7
    limit: float = 60.0
    """Seconds that an answer may take."""


def measure(group: Group, how: How, until: float, nets: Path) -> Iterator[Row]:
    """A row for each batch, as long as there is time; WorkerFailed where our own program does not even begin.

    ``nets`` is a folder where nets stay for those who measure them in another precision.
    """
    with ExitStack() as stack:
        folder = nets / f"{group.net}-{group.way}"
        if not folder.exists():
            prepare(Case(group.net, 1, group.train), folder, onnx=False)
        workers, failures, versions = {}, {}, {}
        for program, command in commands(group, how, folder).items():
            worker = Worker(program, command, os.cpu_count() or 1, environment(group, how), how.limit)
            stack.callback(worker.close)
            try:
                versions[program] = worker.answer()["version"]
                workers[program] = worker
            except WorkerFailed as failure:
                if program == OURS:
                    raise
                failures[program] = str(failure)
        for batch in group.batches:
            row = Row(group.net, group.way, group.precision, batch, failures=dict(failures))
            if time.monotonic() > until:
                row.failures[OURS] = "there was no time left"
            else:
                _measure(row, workers, versions, how.rounds)
            yield row


def stored(precision: str) -> str:
    """A precision whatever the order."""
    return precision.partition("-")[0]


def commands(group: Group, how: How, folder: Path) -> dict[str, list[str]]:
    """What starts each program."""
    found = {OURS: [sys.executable, str(WORKERS / "ours.py"), str(folder), group.way]}
    if how.python is not None:
        found["pytorch"] = [str(how.python), str(how.worker), str(folder), group.way, stored(group.precision)]
    return found


def environment(group: Group, how: How) -> dict[str, str]:
    """What tells programs of the engine and the precision."""
    return {"CAFFE_ENGINE": how.engine, **PRECISIONS[group.precision], **MEASURED}


def _measure(row: Row, workers: Mapping[str, Worker], versions: Mapping[str, str], rounds: int) -> None:
    ways: dict[str, Worker] = {}
    for program, worker in workers.items():
        try:
            for way in _asked(worker, f"build {row.batch}")["ways"]:
                ways[way] = worker
        except WorkerFailed as failure:
            row.failures[program] = str(failure)
    if OURS not in ways:
        return
    try:
        _check(row, ways)
        _take_turns(row, ways, versions, rounds)
    except WorkerFailed as failure:
        row.times.clear()
        row.failures[OURS] = str(failure)


def _check(row: Row, ways: dict[str, Worker]) -> None:
    """Take those out whose results are not ours."""
    ours = _asked(ways[OURS], f"check {OURS}")
    for way in [way for way in ways if way != OURS]:
        off = row.differs[way] = distance(row, ours, _asked(ways[way], f"check {way}"))
        tolerance = LOSSES if row.way == "training" else TOLERANCES[stored(row.precision)]
        if not off <= tolerance:
            row.failures[way] = f"differs from ours by {off:.2g}"
            del ways[way]


def distance(row: Row, ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How far results are apart: probabilities by their logarithms, unless half precision rounds small ones to 0."""
    if row.way == "training" or row.precision in ("float32", "tf32") or len(ours) != len(theirs):
        return difference(ours, theirs)
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def _take_turns(row: Row, ways: Mapping[str, Worker], versions: Mapping[str, str], rounds: int) -> None:
    times = {way: Times(versions.get(way, versions.get("pytorch", ""))) for way in ways}
    quickest = min(_asked(ways[OURS], f"go 3 {OURS}")["wall"])
    steps = max(1, min(MOST_STEPS, int(ROUND_SECONDS / max(quickest, 1e-6))))
    for way, worker in ways.items():
        _asked(worker, f"go {min(steps, 5)} {way}")
    for _ in range(rounds):
        for way, worker in ways.items():
            times[way].add(_asked(worker, f"go {steps} {way}")["wall"])
    row.times = times


def _asked(worker: Worker, order: str) -> Any:
    answer = worker.ask(order)
    if isinstance(answer, dict) and "error" in answer:
        raise WorkerFailed(f"{worker.name}: {answer['error']}")
    return answer


def groups(
    nets: Sequence[str], inference: Sequence[int], training: Sequence[int], precisions: Sequence[str]
) -> list[Group]:
    """What is measured, the most wanted first: float32 before other precisions, inference before training."""
    return [
        Group(net, train, precision, tuple(batches))
        for precision in precisions
        for train, batches in ((False, inference), (True, training))
        for net in nets
        if batches
    ]
