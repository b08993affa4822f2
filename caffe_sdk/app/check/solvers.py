"""Rules about solvers: from a SolverParameter to what is found, as for nets."""

from __future__ import annotations

from typing import Any

from caffe_sdk.app.check.rules import Found
from caffe_sdk.app.check.subject import HINT, WARNING, Finding
from caffe_sdk.errors import SolverError
from caffe_sdk.solver.rates import find_policy
from caffe_sdk.solver.solvers import SOLVERS


def apply(solver: Any) -> list[Finding]:
    """What all rules find in an upgraded SolverParameter. Raises SolverError for what cannot be trained by."""
    if solver.type not in SOLVERS:
        raise SolverError("solver", f"Unknown solver type: {solver.type}", f"use one of {', '.join(SOLVERS)}")
    find_policy(solver)
    found = [*(("rates", *each) for each in _rates(solver)), *(("iterations", *each) for each in _iterations(solver))]
    return [Finding(*each) for each in found]


def _rates(solver: Any) -> Found:
    if solver.base_lr == 0:
        yield "", "base_lr is 0: nothing is learned", "give for example base_lr: 0.01", WARNING
    if solver.base_lr < 0:
        yield "", f"base_lr is {solver.base_lr:g}: the loss grows", "give a base_lr above 0", WARNING
    if not 0 <= solver.momentum < 1:
        yield "", f"momentum is {solver.momentum:g}: updates grow without end", "give 0 or more, below 1", WARNING
    if solver.weight_decay < 0:
        yield "", f"weight_decay is {solver.weight_decay:g}: weights grow", "give 0 or more", WARNING
    if solver.lr_policy == "step" and solver.max_iter and solver.stepsize >= solver.max_iter:
        what = f"stepsize {solver.stepsize} is not reached in {solver.max_iter} iterations: the rate never drops"
        yield "", what, "make stepsize smaller than max_iter", HINT
    if solver.lr_policy == "multistep" and list(solver.stepvalue) != sorted(solver.stepvalue):
        yield "", f"stepvalue {list(solver.stepvalue)} does not grow", "give stepvalue in rising order", WARNING


def _iterations(solver: Any) -> Found:
    if solver.max_iter <= 0:
        yield "", f"max_iter is {solver.max_iter}: nothing is trained", "give the iterations to train for", WARNING
    if not solver.snapshot and not solver.snapshot_after_train:
        what = "nothing is saved: no snapshot, and snapshot_after_train is false"
        yield "", what, "give snapshot: 1000, say", WARNING
