"""Training: the loop, learning rates, update rules, and snapshots a training resumes from exactly."""

from __future__ import annotations

from caffe_sdk.solver.events import Evaluated, Event, Finished, Iteration, Output, Snapshot, Started, Tested, Testing
from caffe_sdk.solver.log import TrainingLog
from caffe_sdk.solver.options import Options
from caffe_sdk.solver.solver import Solver, read_solver
from caffe_sdk.solver.solvers import (
    SOLVERS,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
    solver_type,
)
from caffe_sdk.solver.updates import ArrayRule, Rule

__all__ = [
    "SOLVERS",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "ArrayRule",
    "Evaluated",
    "Event",
    "Finished",
    "Iteration",
    "NesterovSolver",
    "Options",
    "Output",
    "RMSPropSolver",
    "Rule",
    "SGDSolver",
    "Snapshot",
    "Solver",
    "Started",
    "Tested",
    "Testing",
    "TrainingLog",
    "get_solver",
    "read_solver",
    "solver_type",
]
