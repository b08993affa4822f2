"""What signals do while a solver trains: Ctrl-C, a hang-up, and what job managers send."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_sdk.solver import Solver


@contextmanager
def handled(solver: Solver, effects: Mapping[str, str], insist: bool = True) -> Iterator[None]:
    """Inside the block, signals do what ``effects`` says: stop, snapshot or none, by the signal's name.

    A signal that the system does not have is left out. After a stop the same signal does again what it did before the
    block, unless ``insist`` is false: whoever insists is obeyed at once.
    """
    actions: dict[str, Callable[[], None]] = {
        "stop": solver.request_stop,
        "snapshot": solver.request_snapshot,
        "none": lambda: None,
    }
    chosen = {int(getattr(signal, name)): effect for name, effect in effects.items() if hasattr(signal, name)}
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        actions[chosen[number]]()
        if chosen[number] == "stop" and insist:
            signal.signal(number, before[number])

    for number in chosen:
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
