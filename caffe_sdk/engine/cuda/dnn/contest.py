"""Who computes what both cuDNN and kernels of our own can: ours, cuDNN, or whoever is measured to be quicker.

The one place that decides. A convolution is none of it: cuDNN convolves wherever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from ctypes import c_void_p
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from caffe_sdk.engine.cuda.dnn.choices import Budget, Kept
from caffe_sdk.engine.cuda.dnn.jobs import Job, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn, DnnError
from caffe_sdk.errors import DeviceError

MOST_JOBS = 1024
ROUNDS = 3
"""How often both take turns at being measured."""

Work = Callable[[], None]


class Room(Protocol):
    """Memory of the device, given back when nobody refers to it."""

    pointer: int


class Contest(Protocol):
    """What operations ask."""

    def computed(self, job: Job, given: Sequence[int], made: Sequence[int], ours: Run) -> bool:
        """Whether cuDNN has computed a job; what it has not is for kernels of our own.

        Both take the addresses of what is ``given``, then of what is ``made``, which may be of what is given.
        """


class NoContest:
    """Ours, always."""

    def computed(self, job: Job, given: Sequence[int], made: Sequence[int], ours: Run) -> bool:
        """No."""
        return False


@dataclass(frozen=True)
class Judge:
    """What measures."""

    who: str
    """The kind of GPU, and which kernels of our own."""
    budget: Budget
    room: Callable[[int], Room]
    """Memory of so many bytes."""
    seconds: Callable[[Work], float]
    """What the device takes to do a piece of work once."""
    capturing: Callable[[], bool]
    """Whether work is written down, not done."""


class DnnContest:
    """cuDNN on one device, wherever it can; with a ``judge`` only where it has been quicker."""

    def __init__(self, dnn: Dnn, handle: c_void_p, turn: AbstractContextManager[None], judge: Judge | None) -> None:
        self._dnn, self._handle, self._turn, self._judge = dnn, handle, turn, judge
        self._runs: dict[Job, Run | None] = {}
        """What computes a job; None for what cuDNN does not take."""
        self._quicker: dict[Job, bool] = {}

    def computed(self, job: Job, given: Sequence[int], made: Sequence[int], ours: Run) -> bool:
        """By cuDNN, if it can and shall."""
        run = self._run_of(job)
        if run is None or not self._shall(job, run, given, ours):
            return False
        return self._done(job, partial(run, *given, *made))

    def _run_of(self, job: Job) -> Run | None:
        if job not in self._runs:
            if len(self._runs) >= MOST_JOBS:
                oldest = next(iter(self._runs))
                del self._runs[oldest]
                self._quicker.pop(oldest, None)
            self._runs[job] = None
            if all(job.made):
                self._done(job, lambda: self._runs.update({job: job.planned(self._dnn, self._handle)}))
        return self._runs[job]

    def _done(self, job: Job, work: Work) -> bool:
        """Whether cuDNN did a piece of work; what it does not take it is not asked for again."""
        try:
            with self._turn:
                work()
            return True
        except DnnError as error:
            if not error.refuses():
                raise
            self._runs[job] = None
            return False

    def _shall(self, job: Job, run: Run, given: Sequence[int], ours: Run) -> bool:
        """Whether cuDNN is to compute a job: what was measured, is kept, or is measured now."""
        judge = self._judge
        if judge is None:
            return True
        if job not in self._quicker:
            kept = Kept.of(judge.who, self._dnn.version, job)
            quicker = kept.read_quicker()
            if quicker is None:
                if judge.capturing() or judge.budget.left <= 0:
                    return False
                quicker = self._measured(judge, job, run, given, ours)
                if quicker is None:
                    return False
                kept.write_quicker(quicker)
            self._quicker[job] = quicker
        return self._quicker[job]

    def _measured(self, judge: Judge, job: Job, run: Run, given: Sequence[int], ours: Run) -> bool | None:
        """Whether cuDNN is quicker, on the numbers given, with results apart; None where that cannot be found out."""
        try:
            rooms = [judge.room(nbytes) for nbytes in job.made]
        except DeviceError:  # there is no memory to spare
            return None
        addresses = *given, *(room.pointer for room in rooms)
        theirs, own = partial(run, *addresses), partial(ours, *addresses)
        with judge.budget.spent():
            if not self._done(job, theirs):
                return None
            own()  # as theirs: what is loaded at a first call is no part of the time
            times = [(judge.seconds(theirs), judge.seconds(own)) for _ in range(ROUNDS)]
        return min(time for time, _ in times) < min(time for _, time in times)
