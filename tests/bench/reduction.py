"""What an exchange of gradients takes, for nets of several sizes: `caffe_sdk.solver.parallel` itself, without training.

::

    mpiexec -n 2 python tests/bench/reduction.py

Gradients of one net are as many arrays as it has parameters. The fastest of several exchanges is told, and the least of
many exchanges of two flags and of the loss.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import math

from mpi4py import MPI

from caffe_sdk.graph import build
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.rng import spawn
from caffe_sdk.schema.messages import TRAIN
from caffe_sdk.solver.parallel import Ranks
from tests.bench.models import NETS


def gradients(name: str) -> list[SyncedMemory]:
    """Memories as large as the parameters of a net."""
    graph = build(NETS[name](2, train=True), TRAIN, 0, (), spawn())
    memories = [SyncedMemory(math.prod(p.shape), "float32") for p in graph.parameters]
    for memory in memories:
        memory.write(HOST)[...] = 1
    return memories


def fastest(comm: MPI.Comm, times: int, exchange: Callable[[], object]) -> float:
    """Seconds of the fastest of so many exchanges, all ranks beginning together."""
    seconds = []
    for _ in range(times):
        comm.Barrier()
        began = time.perf_counter()
        exchange()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    """Measure, and let rank 0 print."""
    comm = MPI.COMM_WORLD
    ranks = Ranks(comm)
    small = fastest(comm, 1000, lambda: (ranks.mean(1.0), ranks.any(False, False)))
    lines = [f"{comm.Get_size()} ranks; loss and flags {small * 1e6:.0f} us"]
    for name in NETS:
        memories = gradients(name)
        size = sum(memory.count for memory in memories) * 4e-6
        seconds = fastest(comm, max(7, int(500 / size)), lambda memories=memories: ranks.average(memories))
        lines.append(f"{name:10} {size:6.1f} MB  {seconds * 1e3:6.1f} ms  {size / seconds / 1e3:5.2f} GB/s")
    if comm.Get_rank() == 0:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
