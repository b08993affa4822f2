"""What Ctrl-C and a hang-up do while a solver trains."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_sdk.solver import Solver


@contextmanager
def handled(solver: Solver, sigint_effect: str, sighup_effect: str) -> Iterator[None]:
    """Inside the block, SIGINT and SIGHUP do what the effects say: stop, snapshot or none. A second Ctrl-C ends it."""
    effects: dict[str, Callable[[], None]] = {
        "stop": solver.request_stop,
        "snapshot": solver.request_snapshot,
        "none": lambda: None,
    }
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        effects[chosen[number]]()
        if chosen[number] == "stop":
            signal.signal(number, before[number])  # whoever insists is obeyed at once

    chosen: dict[int, str] = {signal.SIGINT: sigint_effect}
    if hasattr(signal, "SIGHUP"):
        chosen[signal.SIGHUP] = sighup_effect
    for number in chosen:
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
