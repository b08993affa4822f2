"""Learning-rate policies: the rate of an iteration, from the solver's numbers, the iteration and the step.

The *step* counts the drops of ``multistep`` and ``plateau`` so far. It moves by at most one per iteration and is part
of a snapshot, as in Caffe: a training resumed with other ``stepvalue`` goes on from the step it had reached.

Besides Caffe's seven policies there are two of its forks: ``plateau`` (SSD) and ``multifixed`` (Intel); and for every
policy a warm-up (``warmup_iter`` of Intel, ``rampup_interval`` of NVIDIA) and a lower bound (``min_lr`` of NVIDIA).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffe_sdk.errors import SolverError
from caffe_sdk.schema.messages import SolverState

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
            raise SolverError("solver", f"lr_policy '{name}' with {field} {_words(value)}", remedy)
    _check_bounds(param)
    return POLICIES[name]


def _check_bounds(param: Any) -> None:
    """What every policy has of forks must make sense too."""
    if param.warmup_iter > 0 and param.rampup_interval > 0:
        remedy = "keep one warm-up: even growth (warmup_iter) or growth with the square (rampup_interval)"
        raise SolverError("solver", "warmup_iter and rampup_interval are given", remedy)
    if param.lr_policy == "multifixed" and len(param.stagelr) != len(param.stageiter):
        what = f"lr_policy 'multifixed' with {len(param.stagelr)} stagelr and {len(param.stageiter)} stageiter"
        raise SolverError("solver", what, "give one stageiter for each stagelr")
    if param.HasField("min_lr") and not 0 <= param.min_lr <= max([param.base_lr, *param.stagelr]):
        remedy = "give 0 or more, and no more than the highest rate"
        raise SolverError("solver", f"min_lr is {param.min_lr:g}", remedy)


def _words(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(list(value))


def learning_rate(param: Any, iteration: int, step: int) -> float:
    """The rate of an iteration, before ``lr_mult``.

    SolverError when there is none: an unknown policy, numbers it cannot work with, or a rate that is not finite.
    """
    function = find_policy(param)
    try:
        rate = _warm_up(param, iteration) if warms_up(param, iteration) else function(param, iteration, step)
    except OverflowError:
        rate = math.inf
    if not math.isfinite(rate):
        raise SolverError(
            f"iteration {iteration}",
            f"the learning rate of policy '{param.lr_policy}' is {rate}",
            "make base_lr, gamma and power smaller",
        )
    return max(rate, param.min_lr) if param.HasField("min_lr") else rate


# -- warm-up -----------------------------------------------------------------------------------------------------------


def warms_up(param: Any, iteration: int) -> bool:
    """Whether the rate still grows to ``base_lr``; no policy is asked then, and no step made."""
    return bool(iteration < max(param.warmup_iter, param.rampup_interval))


def _warm_up(param: Any, iteration: int) -> float:
    """start + (base_lr - start) * share of the way, evenly (Intel) or with its square (NVIDIA)"""
    if param.warmup_iter > 0:
        start, share = param.warmup_start_lr, iteration / param.warmup_iter
    else:
        start, share = param.rampup_lr, (iteration / param.rampup_interval) ** 2
    return float(start + (param.base_lr - start) * share)


# -- steps -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """What moves as training goes, and goes into a solverstate."""

    step: int = 0
    """Drops of the rate so far."""
    minimum_loss: float = SolverState().minimum_loss
    """For ``plateau``, the least smoothed loss so far, in single precision."""
    last_event: int = 0
    """For ``plateau``, the iteration at which that or the step last changed."""


def advance(param: Any, iteration: int, course: Course, smoothed_loss: float) -> Course:
    """The course at an iteration, from that of the iteration before.

    ``multistep`` goes a step further where ``stepvalue`` has been reached; ``plateau`` after ``plateau_winsize``
    iterations (one number for each step) without a smaller loss or a step.
    """
    if warms_up(param, iteration):
        return course
    if param.lr_policy == "multistep":
        reached = course.step < len(param.stepvalue) and iteration >= param.stepvalue[course.step]
        return replace(course, step=course.step + 1) if reached else course
    if param.lr_policy == "plateau":
        loss = float(np.float32(smoothed_loss))
        if loss < course.minimum_loss:
            course = replace(course, minimum_loss=loss, last_event=iteration)
        windows = param.plateau_winsize
        if course.step < len(windows) and iteration >= course.last_event + windows[course.step]:
            return replace(course, step=course.step + 1, last_event=iteration)
    return course


# -- policies ----------------------------------------------------------------------------------------------------------


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
    """base_lr * gamma ^ step, where the step moves as `advance` says"""
    return float(param.base_lr * param.gamma**step)


@policy("plateau")
def plateau(param: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ step, where the step moves as `advance` says: when the loss gets no smaller"""
    return float(param.base_lr * param.gamma**step)


@policy("multifixed")
def multifixed(param: Any, iteration: int, step: int) -> float:
    """The stagelr of the first stageiter that is not behind, and the last one from there on"""
    stage = sum(iteration > last for last in param.stageiter[:-1])
    return float(param.stagelr[stage])


@policy("poly")
def polynomial(param: Any, iteration: int, step: int) -> float:
    """min_lr + (base_lr - min_lr) * (1 - iteration / max_iter) ^ power, and min_lr from max_iter on"""
    left = max(0.0, 1.0 - iteration / param.max_iter)
    return float(param.min_lr + (param.base_lr - param.min_lr) * left**param.power) if left else float(param.min_lr)


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
    "plateau": (GAMMA,),
    "multifixed": (("stagelr", lambda value: len(value) > 0, "give a stagelr, and a stageiter, for each stage"),),
    "poly": (("max_iter", lambda value: value > 0, "give the max_iter that the rate falls to 0 at"),),
    "sigmoid": (POSITIVE_STEPSIZE,),
}
"""What each policy needs: a field, whether a value of it will do, and what would."""
