"""How far the engine of GPUs is from the reference engine, for every row of the table of cases: a line of JSON each.

``python -m tests.bench.gpu.differences``; CAFFE_ENGINE says whose numbers are looked at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from caffe_sdk.engine import Engine, current, select
from caffe_sdk.errors import CaffeError
from caffe_sdk.memory import Array
from tests.cases.case import Case, Trial
from tests.cases.table import CASES

FORWARD, BACKWARD = 1e-5, 1e-4
"""How far numbers may be, of the largest."""


@dataclass(frozen=True)
class Difference:
    """A case, and the largest differences of its tops and of its gradients, relative to the largest number."""

    case: str
    forward: float
    backward: float
    failure: str = ""

    @property
    def agrees(self) -> bool:
        return not self.failure and self.forward <= FORWARD and self.backward <= BACKWARD


def of(case: Case, engine: Engine) -> Difference:
    """A case's; what cannot be computed says why."""
    try:
        ours, theirs = (_run(case, each) for each in (engine, select("reference")))
    except CaffeError as error:
        return Difference(str(case), 0.0, 0.0, str(error))
    return Difference(str(case), largest(ours[0], theirs[0]), largest(ours[1], theirs[1]))


def _run(case: Case, engine: Engine) -> tuple[list[Array], list[Array]]:
    trial = Trial(case, engine, programs=True)
    return trial.forward(case.values()) + trial.parameters(), trial.backward(trial.diffs())


def largest(got: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest difference of several arrays, each of its largest number, or of 1 where that is less."""
    found = 0.0
    for a, b in zip(got, expected, strict=True):
        if a.size:
            off = float(np.abs(a - b).max() / max(1.0, float(np.abs(b).max())))
            found = max(found, off if off == off else np.inf)
    return found


def main(only: str = "") -> None:
    """A line for each case whose name has ``only`` in it."""
    for case in CASES:
        if only in str(case):
            print(json.dumps(asdict(of(case, current()))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
