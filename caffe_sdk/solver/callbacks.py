"""Functions of the user's that a solver calls as it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from caffe_sdk.solver.events import Iteration, Tested

Callback = Callable[[], object]
IterationCallback = Callable[[Iteration], object]
TestCallback = Callable[[Tested], object]


@runtime_checkable
class Pair(Protocol):
    """Two callbacks in one, as pycaffe's NCCL."""

    def on_start(self) -> object:
        """Called before each iteration's forward pass."""

    def on_gradients_ready(self) -> object:
        """Called before each update."""


@dataclass(frozen=True)
class Callbacks:
    """What is called when; each in the order it was added. What the functions return does not matter."""

    on_start: list[Callback] = field(default_factory=list)
    """Before each iteration's forward pass."""
    on_gradients_ready: list[Callback] = field(default_factory=list)
    """Before each update."""
    after_iteration: list[IterationCallback] = field(default_factory=list)
    """When the weights are updated."""
    after_test: list[TestCallback] = field(default_factory=list)
    """After each test of each test net, unless it was interrupted."""

    def add(
        self,
        on_start: Callback | Pair | None,
        on_gradients_ready: Callback | None,
        after_iteration: IterationCallback | None,
        after_test: TestCallback | None,
    ) -> None:
        """Call these too."""
        if isinstance(on_start, Pair):
            self.on_gradients_ready.append(on_start.on_gradients_ready)
            on_start = on_start.on_start
        if on_start is not None:
            self.on_start.append(on_start)
        if on_gradients_ready is not None:
            self.on_gradients_ready.append(on_gradients_ready)
        if after_iteration is not None:
            self.after_iteration.append(after_iteration)
        if after_test is not None:
            self.after_test.append(after_test)
