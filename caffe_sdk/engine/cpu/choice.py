"""Which way a convolution is computed: oneDNN's direct one, Winograd's filtering, or a loop of our own.

By default a rule decides, derived from measurements; `tuning` measures where it is switched on. ``CAFFE_CONVOLUTION``,
or `forced`, makes one way the choice wherever it can be planned. What cannot be planned in the way that was chosen is
planned in another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import astuple

from caffe_sdk.engine.cpu import convolution, lanes, tuning, window, winograd
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.tuning import Planner
from caffe_sdk.engine.work import Work

DIRECT, WINOGRAD, LOOP = "direct", "winograd", "loop"

WAYS: Mapping[str, Mapping[str, Planner]] = {
    "convolution": {
        DIRECT: convolution.convolution,
        WINOGRAD: winograd.convolution,
        LOOP: window.convolution,
    },
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
    for way in (best, *(other for other in ways if other != best)):
        with contextlib.suppress(Unsupported):
            ways[way](plan, work)
            return
    raise Unsupported("convolution", f"{work['geometry']}")


def convolution_and_pool(plan: Plan, work: Work) -> None:
    """Plan a convolution with what pools its result, if images in lanes are the best way. Unsupported otherwise."""
    if _forced[-1]:
        raise Unsupported("lanes", f"'{_forced[-1]}' is asked for")
    lanes.convolution_and_pool(plan, work)


def chosen(work: Work) -> str:
    """The best way for a work: in the order of the rules, unless measuring tells otherwise."""
    ruled, key = [DIRECT], [work.name]
    with contextlib.suppress(Unsupported):
        tiles = winograd.problem_of(work)
        ruled.insert(0 if winograd.pays(tiles, gradient=work.name != "convolution") else 1, WINOGRAD)
        key += map(str, astuple(tiles))
    with contextlib.suppress(Unsupported):
        windows = window.problem_of(work)
        ruled.insert(ruled.index(DIRECT) if window.pays(windows) else len(ruled), LOOP)
        key += map(str, astuple(windows)) if len(key) == 1 else ()
    if len(ruled) == 1:
        return DIRECT
    if _forced[-1] in ruled:
        return _forced[-1]
    more = [name for name in ("bias", "dbias", "relu") if work.arguments.get(name) is not None]
    ways = {way: WAYS[work.name][way] for way in ruled}
    return tuning.quickest(" ".join((*key, *more)).replace(", ", ","), ways, _bare(work)) or ruled[0]


def _bare(work: Work) -> Work:
    """A convolution without what costs as much in either way."""
    left = {name: value for name, value in work.arguments.items() if name not in ("norm", "residual", "within")}
    return Work(work.name, left, work.calls)


PLANNERS: Mapping[str, Planner] = dict.fromkeys(WAYS, planned)
"""What plans each operation that can be computed in more than one way."""
