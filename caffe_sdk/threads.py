"""How many threads compute: one number for every engine, and for NumPy's BLAS beside it.

``CAFFE_NUM_THREADS`` says it, else ``OMP_NUM_THREADS``, else it is the CPUs this process may keep busy: its affinity
mask, and the quota of its control group. `set_num_threads` changes it. A forked child computes with one thread, because
pools of threads stay in the parent.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from caffe_sdk.errors import ArgumentError

# -- CPUs --------------------------------------------------------------------------------------------------------------


def usable_cpus() -> int:
    """CPUs this process may keep busy: its affinity mask, and the quota of its control group rounded down."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(cpus, int(quota))) if quota is not None else cpus


def _quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPUs the control groups allow, version 2 (the process's own group and those around it) or 1; None: no limit."""
    limits = [root / "cpu.max", root / "cpu" / "cpu.cfs_quota_us"]
    try:
        own = next(line[3:].strip() for line in membership.read_text().splitlines() if line.startswith("0::"))
        group = root / own.lstrip("/")
        limits += [folder / "cpu.max" for folder in (group, *group.parents) if root in folder.parents]
    except (OSError, StopIteration):
        pass  # no control groups, or version 1 only
    quotas = [quota for quota in map(_read_quota, limits) if quota is not None]
    return min(quotas, default=None)


def _read_quota(limit: Path) -> float | None:
    """One file's limit: 'quota period' in version 2, the quota alone in version 1; 'max' and -1 are none."""
    try:
        quota, *period = limit.read_text().split()
        of = int(period[0]) if period else int(limit.with_name("cpu.cfs_period_us").read_text())
        return int(quota) / of if int(quota) > 0 else None
    except (OSError, ValueError):
        return None


# -- the number --------------------------------------------------------------------------------------------------------


def asked() -> int | None:
    """What the environment asks for, or None. ArgumentError where ``CAFFE_NUM_THREADS`` is no number of threads."""
    ours = os.environ.get("CAFFE_NUM_THREADS", "").strip()
    if ours:
        if not ours.isdecimal() or int(ours) < 1:
            raise ArgumentError("CAFFE_NUM_THREADS", f"'{ours}' is no number of threads", "set it to 1 or more")
        return int(ours)
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(openmp) if openmp.isdecimal() and int(openmp) > 0 else None


class _State:
    """The number of threads, once somebody has asked for it, and how often it has changed."""

    def __init__(self) -> None:
        self.count: int | None = None
        self.generation = 0
        self.forked = False
        self.settled = 0
        """For how many threads the pools of BLAS were last bounded."""

    def change(self, count: int) -> None:
        if count != num_threads():
            self.count = count
            self.generation += 1

    def after_fork(self) -> None:
        self.forked = True
        self.generation += self.count != 1
        self.count = 1


_state = _State()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_state.after_fork)


def num_threads() -> int:
    """How many threads compute one operation."""
    if _state.count is None:
        _state.count = asked() or usable_cpus()
    return _state.count


def set_num_threads(count: int) -> None:
    """Compute with ``count`` threads from now on, NumPy's BLAS too unless it has fewer; ArgumentError below 1.

    A forked child stays with one. Nets that exist make their plans anew when they next run.
    """
    if count < 1:
        raise ArgumentError("set_num_threads", f"{count} threads cannot compute", "give 1 or more")
    _state.change(1 if _state.forked else count)
    settle()


def generation() -> int:
    """A number that changes when the number of threads does, and what was made for the old number is of no use."""
    return _state.generation


# -- NumPy's threads ---------------------------------------------------------------------------------------------------

BLAS = ("openblas", "mkl_rt")  # in the names of libraries
COUNTERS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)
"""The functions that say and set how many threads a BLAS has, by the builds there are of OpenBLAS and MKL."""


@dataclass
class _Pool:
    """The threads of one library of BLAS."""

    change: Callable[[int], object]
    most: int
    """How many it had before we bounded it: what its own variables in the environment say, or all CPUs."""


_pools: dict[str, _Pool] = {}


def settle() -> None:
    """Bound the threads of NumPy's BLAS by ours. Engines call it before they compute.

    Its threads wait awake for a while after each product: too many of them hold up whoever computes next.
    """
    count = num_threads()
    if _state.settled == count:
        return
    _state.settled = count
    for path in _libraries():
        if path not in _pools and (pool := _pool(path)):
            _pools[path] = pool
    for pool in _pools.values():
        pool.change(min(count, pool.most))


def _libraries() -> set[str]:
    """The paths of the libraries of BLAS that this process has loaded; none where the system does not tell."""
    try:
        paths = {line.split(maxsplit=5)[5].strip() for line in _maps() if line.count("/")}
    except OSError:
        return set()
    return {path for path in paths if any(word in Path(path).name for word in BLAS)}


def _maps() -> Iterator[str]:
    """The lines by which Linux lists what a process has mapped."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as maps:
        yield from maps


def _pool(path: str) -> _Pool | None:
    """A library's threads; None where it has no functions that we know."""
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return None
    for get, change in COUNTERS:
        if hasattr(library, get) and hasattr(library, change):
            return _Pool(getattr(library, change), getattr(library, get)())
    return None
