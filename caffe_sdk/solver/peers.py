"""Solvers that train one net together, and what they have to agree on. Here is the one that trains alone.

Those of MPI are in `caffe_sdk.solver.parallel`, those of one computer in `caffe_sdk.solver.processes`; `gpus` lets
either exchange gradients between GPUs. All peers call each method at the same point of the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.memory import SyncedMemory


class Alone:
    """A solver without peers, and the interface of those that have some."""

    rank: int
    """Which of the peers this is, counted from 0; rank 0 tests, saves and tells."""
    size: int = 1
    overlaps = False
    """Whether `begin_average` begins something while gradients of other layers are still computed."""

    def __init__(self, rank: int = 0) -> None:
        self.rank = rank

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Each flag: whether it is set on any of the peers."""
        return flags

    def mean(self, value: float) -> float:
        """The mean over the peers, the same number on all."""
        return value

    def begin_average(self, gradients: Sequence[SyncedMemory]) -> None:
        """Begin what `average` does with some of the gradients. It is still to be called with all of them."""

    def average(self, gradients: Sequence[SyncedMemory]) -> None:
        """Put the mean over the peers in each memory's place."""

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        """Give all the numbers of rank 0."""

    def gather(self, state: Any) -> list[Any]:
        """What each of the peers gives, by rank, on rank 0; on the others nothing."""
        return [state]

    def close(self) -> None:
        """The last call of all peers, when the training has ended well."""
