"""Rewriting calls before they are planned: neighbours that one primitive computes become one piece of work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from caffe_sdk.engine.operation import Call
from caffe_sdk.memory import SyncedMemory


@dataclass(frozen=True, eq=False)
class Work:
    """What is planned at once: a call, or several that were fused. What cannot be planned falls back to its calls."""

    name: str
    arguments: dict[str, Any]
    calls: tuple[Call, ...]

    def __getitem__(self, parameter: str) -> Any:
        return self.arguments[parameter]

    def touches(self, memory: SyncedMemory) -> bool:
        """Whether any of the calls reads or writes a memory."""
        return any(t.memory is memory for call in self.calls for t in (*call.reads(), *call.writes()))


def single(call: Call) -> Work:
    """A call by itself."""
    return Work(call.name, call.arguments, (call,))


def fused(calls: Sequence[Call]) -> list[Work]:
    """The calls as pieces of work, after every rewriting."""
    works = [single(call) for call in calls]
    for rewrite in REWRITINGS:
        works = rewrite(works)
    return works


def fuse_relu(works: list[Work]) -> list[Work]:
    """A convolution, inner product or sum whose output the next work on it rectifies in place does both at once.

    Nobody sees the output before the ReLU, for it is overwritten; the ReLU's gradient needs no more than its result.
    """
    result: list[Work] = []
    rectified: set[int] = set()
    for i, work in enumerate(works):
        if i in rectified:
            continue
        if work.name in ("convolution", "inner_product", "add_all"):
            j = next((j for j in range(i + 1, len(works)) if works[j].touches(work["y"].memory)), None)
            if j is not None and _rectifies(works[j], work["y"].memory):
                rectified.add(j)
                arguments = {**work.arguments, "relu": float(works[j]["negative_slope"])}
                work = Work(work.name, arguments, work.calls + works[j].calls)
        result.append(work)
    return result


def _rectifies(work: Work, memory: SyncedMemory) -> bool:
    return work.name == "relu" and work["x"].memory is memory and work["y"].memory is memory


def fuse_prelu_grad(works: list[Work]) -> list[Work]:
    """Both gradients of a PReLU, of which one primitive computes the two at once."""
    result: list[Work] = []
    for work in works:
        last = result[-1] if result else None
        pair = last is not None and (last.name, work.name) == ("prelu_grad_slope", "prelu_grad_data")
        if last is not None and pair and all(last[name].memory is work[name].memory for name in ("x", "dy")):
            result[-1] = Work("prelu_grad", last.arguments | work.arguments, last.calls + work.calls)
        else:
            result.append(work)
    return result


REWRITINGS: list[Callable[[list[Work]], list[Work]]] = [fuse_relu, fuse_prelu_grad]
"""What is tried, in this order."""
