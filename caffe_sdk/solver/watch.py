"""How good the weights are by the tests so far: the best value of an output of a test net, and when that was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from caffe_sdk.errors import ArgumentError
from caffe_sdk.net import Net
from caffe_sdk.solver.events import Tested

LOSS = "loss"  # what this name means is the sum of a test net's losses, each with its weight


class Best(NamedTuple):
    """The best value, after how many updates it was measured, and how many tests there were since."""

    value: float
    iteration: int
    tests_since: int = 0


class Watch:
    """Follows one output of the first test net that has it. ``wanted`` is as `Options.watch` describes it.

    ArgumentError when no test net puts it out.
    """

    def __init__(self, wanted: str, test_nets: Sequence[Net]) -> None:
        name, _, better = wanted.partition(":")
        known = [_watchable(net) for net in test_nets]
        every = sorted(set().union(*known))
        self.name = name or ("accuracy" if "accuracy" in every else LOSS)
        if self.name not in every or better not in ("", "min", "max"):
            raise ArgumentError(
                "watch",
                f"'{wanted or self.name}' is no output of a test net",
                f"use one of {', '.join(every)}, with :min or :max behind it"
                if every
                else "give the solver a test net",
            )
        self.net_index = next(i for i, names in enumerate(known) if self.name in names)
        weight = test_nets[self.net_index].blob_loss_weights.get(self.name)
        self.sign = {"min": -1, "max": 1, "": 1 if weight == 0 else -1}[better]
        self.best: Best | None = None

    def see(self, tested: Tested) -> bool:
        """Take note of a test; says whether it was better than all before. Tests of other nets say nothing."""
        if tested.interrupted or tested.net_index != self.net_index:
            return False
        value = self._value(tested)
        if self.best is None or self.sign * value > self.sign * self.best.value:
            self.best = Best(value, tested.iteration)
            return True
        self.best = self.best._replace(tests_since=self.best.tests_since + 1)
        return False

    def _value(self, tested: Tested) -> float:
        """What the test gave; the worst there is for what is no number."""
        if self.name == LOSS:
            value = sum(o.loss_weight * o.value for o in tested.outputs)
        else:
            value = next((o.value for o in tested.outputs if o.name == self.name), math.nan)
        return -self.sign * math.inf if math.isnan(value) else value

    def state(self) -> list[float] | None:
        """The best so far, as JSON can hold it."""
        return None if self.best is None else list(self.best)

    def restore_state(self, state: Any) -> None:
        """Go on from a `state`."""
        self.best = None if state is None else Best(*state)


def _watchable(net: Net) -> set[str]:
    weights = net.blob_loss_weights
    return {*net.outputs, *([LOSS] if any(weights.values()) else [])}
