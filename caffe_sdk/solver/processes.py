"""Data-parallel training by several processes of one computer, without MPI: they exchange gradients in shared memory.

`together` starts the processes, watches over them, and ends them all when one fails. What each does, and what they
learn, is as with MPI (`caffe_sdk.solver.parallel`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import HOST, Array, SyncedMemory
from caffe_sdk.solver.parallel import BUCKET, buckets, take_part, unpack
from caffe_sdk.solver.peers import Alone

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
"""Signals to the parent that are passed on to rank 0, which tells the others."""


@dataclass(frozen=True)
class Shared:
    """What the processes share: two pages with a slot for each rank, a barrier, and a way for states to rank 0."""

    size: int
    pages: Any
    barrier: Any
    states: Any


class Processes(Alone):
    """One of several processes that train together. Sums are taken in the order of ranks: all get the same bits."""

    def __init__(self, rank: int, shared: Shared) -> None:
        self.rank, self.size = rank, shared.size
        self._shared = shared
        self._pages = np.frombuffer(shared.pages, np.uint8).reshape(2, shared.size, BUCKET)
        self._turn = 0

    def any(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(bool(number) for number in self._sum(np.array(flags, np.float64)))

    def mean(self, value: float) -> float:
        return float(self._sum(np.array([value], np.float64))[0]) / self.size

    def average(self, gradients: Sequence[SyncedMemory]) -> None:
        for bucket in buckets([memory.update(HOST)[: memory.count] for memory in gradients]):
            total = self._sum(np.concatenate(bucket))
            total *= 1 / self.size
            unpack(total, bucket)

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        for memory in parameters:
            for (part,) in buckets([memory.update(HOST)[: memory.count]]):
                part[...] = self._exchanged(part)[0]

    def gather(self, state: Any) -> list[Any]:
        gathered: dict[int, Any] = {self.rank: state}
        if self.rank:
            self._shared.states.put((self.rank, state))
        else:
            gathered.update(self._shared.states.get() for _ in range(1, self.size))
        self._shared.barrier.wait()  # what is put next is of another time
        return [gathered[rank] for rank in range(self.size)] if self.rank == 0 else []

    def _sum(self, mine: Array) -> Array:
        first, *others = self._exchanged(mine)
        total = np.array(first)
        with np.errstate(all="ignore"):  # gradients in 16 bits may overflow, which the solver finds
            for other in others:
                total += other
        return total

    def _exchanged(self, mine: Array) -> list[Array]:
        """What each rank gives, by rank; to be read before the next exchange but one, which uses the same page."""
        slots = [slot[: mine.nbytes].view(mine.dtype) for slot in self._pages[self._turn]]
        slots[self.rank][...] = mine
        self._shared.barrier.wait()
        self._turn = 1 - self._turn
        return slots


def together(work: Callable[[Processes], int], size: int) -> int:
    """Do the work in so many processes, each with its part of the CPUs; gives their exit status.

    When one fails the others are ended, and its status is that of all. ``work`` is pickled; it takes its rank's
    `Processes`. Raises ArgumentError for less than one process.
    """
    if size < 1:
        raise ArgumentError("processes", f"{size} processes", "give 1 or more")
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads that are not there
    shared = Shared(size, context.RawArray("b", 2 * size * BUCKET), context.Barrier(size), context.SimpleQueue())
    processes: list[BaseProcess] = [
        context.Process(target=_begin, args=(work, rank, shared), name=f"rank {rank}", daemon=True)
        for rank in range(size)
    ]
    with _forwarding(processes):
        for process in processes:
            process.start()
        return _watched(processes)


def _begin(work: Callable[[Processes], int], rank: int, shared: Shared) -> None:
    """A process's main function."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    peers = Processes(rank, shared)
    take_part(peers, lambda cpus: max(1, cpus // peers.size))
    raise SystemExit(work(peers))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _watched(processes: Sequence[BaseProcess]) -> int:
    """Wait for all to end; the status of the first that failed, if one did, and then the others are ended."""
    status = 0
    running: dict[Any, BaseProcess] = {process.sentinel: process for process in processes}
    while running:
        for sentinel in connection.wait(list(running)):
            process = running.pop(sentinel)
            process.join()
            if process.exitcode and not status:
                status = process.exitcode if process.exitcode > 0 else 128 - process.exitcode  # as shells have it
                for other in running.values():
                    other.kill()
    return status


@contextmanager
def _forwarding(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Inside the block, signals go to rank 0."""

    def forward(number: int, frame: FrameType | None) -> None:
        if processes[0].pid is not None and processes[0].exitcode is None:
            os.kill(processes[0].pid, number)

    here = threading.current_thread() is threading.main_thread()
    names = [name for name in FORWARDED if here and hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), forward) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
