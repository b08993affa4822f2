"""Functions of the user's that a solver calls as it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from caffe_sdk.solver.events import Iteration, Tested

Callback = Callable[[], object]
IterationCallback = Callable[[Iteration], object]
TestCallback = Callable[[Tested], object]


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
