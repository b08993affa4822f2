"""The six solver types, and the choice between them by a description's ``type``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from caffe_sdk.errors import SolverError
from caffe_sdk.schema.files import PathLike
from caffe_sdk.solver import updates
from caffe_sdk.solver.options import Options
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.solver import Solver, read_solver


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""

    rule = updates.SGD


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""

    rule = updates.Nesterov


class AdaGradSolver(Solver):
    """AdaGrad: rates shrink with the gradients seen so far."""

    rule = updates.AdaGrad


class RMSPropSolver(Solver):
    """RMSProp: gradients divided by their running root mean square."""

    rule = updates.RMSProp


class AdaDeltaSolver(Solver):
    """AdaDelta: rates from running means of gradients and of steps."""

    rule = updates.AdaDelta


class AdamSolver(Solver):
    """Adam: running means of gradients and of their squares, corrected for their start at 0."""

    rule = updates.Adam


SOLVERS: dict[str, type[Solver]] = {
    "SGD": SGDSolver,
    "Nesterov": NesterovSolver,
    "AdaGrad": AdaGradSolver,
    "RMSProp": RMSPropSolver,
    "AdaDelta": AdaDeltaSolver,
    "Adam": AdamSolver,
}
"""Solver classes by ``type``."""

SolverClass = TypeVar("SolverClass", bound=type[Solver])


def solver_type(name: str) -> Callable[[SolverClass], SolverClass]:
    """Register a class as the solver of a ``type``: ``@solver_type("Lion")``. A later class replaces an earlier one."""

    def register(cls: SolverClass) -> SolverClass:
        SOLVERS[name] = cls
        return cls

    return register


def get_solver(solver_file: PathLike | Any, options: Options | None = None, peers: Alone | None = None) -> Solver:
    """The solver of the ``type`` that a solver prototxt (its path) or a SolverParameter names, made with the other two.

    Raises SolverError for an unknown type, and what `Solver` raises.
    """
    param = read_solver(solver_file)
    if param.type not in SOLVERS:
        raise SolverError("solver", f"Unknown solver type: {param.type}", f"use one of {', '.join(SOLVERS)}")
    return SOLVERS[param.type](solver_file, options, peers)
