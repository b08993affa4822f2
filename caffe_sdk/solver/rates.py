"""Learning-rate policies: the rate of an iteration, from the solver's numbers, the iteration and the step.

The *step* counts the drops of ``multistep`` so far. It moves by at most one per iteration and is part of a snapshot, as
in Caffe: a training resumed with other ``stepvalue`` goes on from the step it had reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from caffe_sdk.errors import SolverError

Policy = Callable[[Any, int, int], float]
"""(SolverParameter, iteration, step) -> rate."""

POLICIES: dict[str, Policy] = {}
"""Policies by the name that ``lr_policy`` gives them."""


def policy(name: str) -> Callable[[Policy], Policy]:
    """Register a function as the policy of a name: ``@policy("fixed")``. A later function replaces an earlier one."""

    def register(function: Policy) -> Policy:
        POLICIES[name] = function
        return function

    return register


def find_policy(param: Any) -> Policy:
    """The policy a SolverParameter names, with the numbers it needs checked; SolverError when that cannot be."""
    name = param.lr_policy
    if name not in POLICIES:
        what = f"Unknown learning rate policy: {name}" if name else "no lr_policy is given"
        raise SolverError("solver", what, f"use one of {', '.join(sorted(POLICIES))}")
    for field, holds, remedy in NEEDS.get(name, ()):
        value = getattr(param, field)
        if not holds(value):
            raise SolverError("solver", f"lr_policy '{name}' with {field} {value:g}", remedy)
    return POLICIES[name]


def learning_rate(param: Any, iteration: int, step: int) -> float:
    """The rate of an iteration, before ``lr_mult``.

    SolverError when there is none: an unknown policy, numbers it cannot work with, or a rate that is not finite.
    """
    function = find_policy(param)
    try:
        rate = function(param, iteration, step)
    except OverflowError:
        rate = math.inf
    if not math.isfinite(rate):
        raise SolverError(
            f"iteration {iteration}",
            f"the learning rate of policy '{param.lr_policy}' is {rate}",
            "make base_lr, gamma and power smaller",
        )
    return rate


def next_step(param: Any, iteration: int, step: int) -> int:
    """The step at an iteration, one further than before where ``stepvalue`` has been reached."""
    reached = param.lr_policy == "multistep" and step < len(param.stepvalue) and iteration >= param.stepvalue[step]
    return step + 1 if reached else step


@policy("fixed")
def fixed(param: Any, iteration: int, step: int) -> float:
    """base_lr"""
    return float(param.base_lr)


@policy("step")
def step_policy(param: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ floor(iteration / stepsize)"""
    return float(param.base_lr * param.gamma ** (iteration // param.stepsize))


@policy("exp")
def exponential(param: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ iteration"""
    return float(param.base_lr * param.gamma**iteration)


@policy("inv")
def inverse(param: Any, iteration: int, step: int) -> float:
    """base_lr * (1 + gamma * iteration) ^ -power"""
    return float(param.base_lr * (1.0 + param.gamma * iteration) ** -param.power)


@policy("multistep")
def multistep(param: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ step, where the step moves as `next_step` says"""
    return float(param.base_lr * param.gamma**step)


@policy("poly")
def polynomial(param: Any, iteration: int, step: int) -> float:
    """base_lr * (1 - iteration / max_iter) ^ power, and 0 from max_iter on"""
    left = max(0.0, 1.0 - iteration / param.max_iter)
    return float(param.base_lr * left**param.power) if left else 0.0


@policy("sigmoid")
def sigmoid(param: Any, iteration: int, step: int) -> float:
    """base_lr / (1 + exp(-gamma * (iteration - stepsize)))"""
    # the logistic function as a hyperbolic tangent: no exponential that overflows
    return float(param.base_lr * 0.5 * (1.0 + math.tanh(0.5 * param.gamma * (iteration - param.stepsize))))


Need = tuple[str, Callable[[Any], bool], str]

POSITIVE_STEPSIZE: Need = ("stepsize", lambda value: value > 0, "give a stepsize of 1 or more iterations")
GAMMA: Need = ("gamma", lambda value: value >= 0, "give a gamma of 0 or more")

NEEDS: dict[str, tuple[Need, ...]] = {
    "step": (POSITIVE_STEPSIZE, GAMMA),
    "exp": (GAMMA,),
    "inv": (GAMMA,),
    "multistep": (GAMMA,),
    "poly": (("max_iter", lambda value: value > 0, "give the max_iter that the rate falls to 0 at"),),
    "sigmoid": (POSITIVE_STEPSIZE,),
}
"""What each policy needs: a field, whether a value of it will do, and what would."""
