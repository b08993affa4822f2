"""Which way a convolution is computed: oneDNN's direct one, or Winograd's filtering.

By default a rule decides, derived from measurements; `tuning` measures where it is switched on. ``CAFFE_CONVOLUTION``,
or `forced`, makes one way the choice wherever it can be planned. What cannot be planned in the way that was chosen is
planned in the other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from caffe_sdk.engine.cpu import convolution, tuning, winograd
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.tuning import Planner
from caffe_sdk.engine.cpu.work import Work

DIRECT, WINOGRAD = "direct", "winograd"

WAYS: Mapping[str, Mapping[str, Planner]] = {
    "convolution": {DIRECT: convolution.convolution, WINOGRAD: winograd.convolution},
    "convolution_grad_data": {DIRECT: convolution.convolution_grad_data, WINOGRAD: winograd.convolution_grad_data},
    "convolution_grad_weight": {
        DIRECT: convolution.convolution_grad_weight,
        WINOGRAD: winograd.convolution_grad_weight,
    },
}
"""The ways to plan each operation."""

_forced = [os.environ.get("CAFFE_CONVOLUTION", "")]


@contextlib.contextmanager
def forced(way: str) -> Iterator[None]:
    """Within, programs are compiled to compute this way wherever it can be planned."""
    _forced.append(way)
    try:
        yield
    finally:
        _forced.pop()


def planned(plan: Plan, work: Work) -> None:
    """Plan a work in the best of its ways."""
    ways = WAYS[work.name]
    best = chosen(work)
    try:
        ways[best](plan, work)
    except Unsupported:
        (other,) = ways.keys() - {best}
        ways[other](plan, work)


def chosen(work: Work) -> str:
    """The best way for a work."""
    try:
        problem = winograd.problem_of(work)
    except Unsupported:
        return DIRECT
    if _forced[-1] in (DIRECT, WINOGRAD):
        return _forced[-1]
    more = [name for name in ("bias", "dbias", "relu") if work.arguments.get(name) is not None]
    key = " ".join(
        map(str, (work.name, problem.x, problem.y, problem.taps, problem.pad, problem.group, *more))
    ).replace(", ", ",")
    return tuning.quickest(key, WAYS[work.name], _bare(work)) or (
        WINOGRAD if winograd.pays(problem, gradient=work.name != "convolution") else DIRECT
    )


def _bare(work: Work) -> Work:
    """A convolution without what costs as much in either way."""
    left = {name: value for name, value in work.arguments.items() if name not in ("norm", "residual")}
    return Work(work.name, left, work.calls)


PLANNERS: Mapping[str, Planner] = dict.fromkeys(WAYS, planned)
"""What plans each operation that can be computed in more than one way."""
