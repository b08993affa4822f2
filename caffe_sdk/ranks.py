"""Which of several solvers that train together this process is, under pycaffe's names.

Of every ``solver_count`` records of a database the Data layers of phase TRAIN read the one at ``solver_rank``, in nets
built from then on. What the solvers learn is exchanged by whoever started them.
"""

from __future__ import annotations

from caffe_sdk.errors import ArgumentError

_count, _rank, _multiprocess = 1, 0, False


def solver_count() -> int:
    """How many solvers train together; 1 unless set."""
    return _count


def set_solver_count(count: int) -> None:
    """Say how many solvers train together. Raises ArgumentError unless it is a whole number above 0."""
    global _count
    if not isinstance(count, int) or count < 1:
        raise ArgumentError("set_solver_count", f"{count!r} solvers", "give a whole number of 1 or more")
    _count = count


def solver_rank() -> int:
    """Which of the solvers this is, counted from 0."""
    return _rank


def set_solver_rank(rank: int) -> None:
    """Say which of the solvers this is. Raises ArgumentError unless it is a whole number of 0 or more."""
    global _rank
    if not isinstance(rank, int) or rank < 0:
        raise ArgumentError("set_solver_rank", f"rank {rank!r}", "give a whole number of 0 or more")
    _rank = rank


def multiprocess() -> bool:
    """Whether the solvers are processes of their own."""
    return _multiprocess


def set_multiprocess(multiprocess: bool) -> None:
    """Say whether the solvers are processes of their own. Data is shared out by rank either way."""
    global _multiprocess
    _multiprocess = bool(multiprocess)
