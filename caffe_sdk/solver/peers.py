"""Solvers that train one net together, and what they have to agree on. Here is the one that trains alone.

Those of MPI are in `caffe_sdk.solver.parallel`, those of one computer in `caffe_sdk.solver.processes`. All peers call
each method at the same point of the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.memory import SyncedMemory


class Alone:
    """A solver without peers, and the interface of those that have some."""

    rank: int = 0
    """Which of the peers this is, counted from 0; rank 0 tests, saves and tells."""
    size: int = 1

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Each flag: whether it is set on any of the peers."""
        return flags

    def mean(self, value: float) -> float:
        """The mean over the peers, the same number on all."""
        return value

    def average(self, gradients: Sequence[SyncedMemory]) -> None:
        """Put the mean over the peers in each memory's place."""

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        """Give all the numbers of rank 0."""

    def gather(self, state: Any) -> list[Any]:
        """What each of the peers gives, by rank, on rank 0; on the others nothing."""
        return [state]
