"""Data-parallel training over MPI: each process trains on records of its own, and all make the same update.

Started by ``mpiexec -n 4 caffe train ...``, rank r of n reads of every n records the one at index r. Gradients are
summed over the ranks and divided by their number, so n ranks with batches of b learn what one process learns from
batches of n b. Rank 0 tests, saves and logs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from caffe_sdk import ranks
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, Array, SyncedMemory
from caffe_sdk.solver.peers import Alone
from caffe_sdk.threads import asked, set_num_threads, usable_cpus

BUCKET = 4 * 2**20
"""Bytes that are exchanged at a time: large enough for bandwidth, small enough for the processors' caches."""
LAST_WORDS = 0.3
"""Seconds before a job is ended: its launcher drops what a process has said but it has not passed on yet."""
LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK")
"""What the launchers of MPI (MPICH, Open MPI, Slurm) leave in the environment of a process they start."""


class Ranks(Alone):
    """The processes of an MPI communicator (``mpi4py.MPI.Comm``)."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def any(self, *flags: bool) -> tuple[bool, ...]:
        array = np.array(flags, np.int8)
        self._comm.Allreduce(self._mpi.IN_PLACE, array, op=self._mpi.MAX)
        return tuple(bool(flag) for flag in array)

    def mean(self, value: float) -> float:
        array = np.array([value], np.float64)
        self._comm.Allreduce(self._mpi.IN_PLACE, array)
        return float(array[0]) / self.size

    def average(self, gradients: Sequence[SyncedMemory]) -> None:
        for bucket in buckets([memory.update(HOST)[: memory.count] for memory in gradients]):
            packed = bucket[0] if len(bucket) == 1 else np.concatenate(bucket)
            self._comm.Allreduce(self._mpi.IN_PLACE, packed)
            packed *= 1 / self.size
            if len(bucket) > 1:
                unpack(packed, bucket)

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        for memory in parameters:
            for (part,) in buckets([memory.update(HOST)[: memory.count]]):
                self._comm.Bcast(part)

    def gather(self, state: Any) -> list[Any]:
        return self._comm.gather(state) or []

    def abort(self, status: int) -> None:
        """End all processes of the job, with this exit status."""
        time.sleep(LAST_WORDS)
        self._comm.Abort(status)

    def place_here(self) -> int:
        """Which of the ranks of its computer this is, counted from 0."""
        here = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        place: int = here.Get_rank()
        here.Free()
        return place

    def threads(self, cpus: int) -> int:
        """How many of this process's ``cpus`` it may use: ranks of one computer that share them take equal parts."""
        here = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        sharing: int = here.allgather(mine).count(mine)
        here.Free()
        return max(1, cpus // sharing)


def buckets(arrays: Sequence[Array]) -> Iterator[list[Array]]:
    """Arrays of one type in groups of at most BUCKET bytes, in order: large ones in parts, small ones together."""
    group: list[Array] = []
    room = BUCKET
    for array in arrays:
        step = max(1, BUCKET // array.itemsize)
        for part in (array[i : i + step] for i in range(0, array.size, step)):
            if group and (part.nbytes > room or part.dtype != group[0].dtype):
                yield group
                group, room = [], BUCKET
            group.append(part)
            room -= part.nbytes
    if group:
        yield group


def unpack(packed: Array, arrays: Sequence[Array]) -> None:
    """Put the parts of an array that others were joined to back into these."""
    begin = 0
    for array in arrays:
        array[...] = packed[begin : begin + array.size]
        begin += array.size


def join() -> Alone:
    """This process's peers, if a launcher of MPI started several; else it trains alone.

    From then on Data layers read this rank's records, and the cpu engine takes this rank's part of the processors
    unless the environment says how many threads there are to be. Raises DeviceError where mpi4py is not installed.
    """
    if not any(name in os.environ for name in LAUNCHERS):
        return Alone()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no library of MPI is found
        raise DeviceError(
            "mpi", f"MPI started this, and mpi4py fails: {error}", "pip install 'caffe-sdk[mpi]'"
        ) from None
    peers = Ranks(MPI.COMM_WORLD)
    if peers.size == 1:
        return Alone()
    take_part(peers, peers.threads)
    return peers


def take_part(peers: Alone, threads: Callable[[int], int]) -> None:
    """Let this process's Data layers read its rank's records, and its cpu engine use its part of the processors.

    ``threads`` says how many, given how many CPUs there are, unless the environment does.
    """
    ranks.set_solver_count(peers.size)
    ranks.set_solver_rank(peers.rank)
    ranks.set_multiprocess(True)
    if asked() is None:
        set_num_threads(threads(usable_cpus()))
