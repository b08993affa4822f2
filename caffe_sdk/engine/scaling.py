"""What a solver is told of by an engine whose gradients need scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from caffe_sdk.memory import Tensor


class LossScale(Protocol):
    """What gradients are multiplied by where an engine stores them in so few bits that small ones would be lost.

    Nobody sees them scaled: they are divided where they are read, and where parameters' gradients are added up.
    """

    value: float
    skipped: int
    """Updates left out because a gradient overflowed."""

    def applied(self) -> AbstractContextManager[None]:
        """Gradients that this thread computes inside a with block are scaled."""

    def check(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """A number that will not be 0 where a gradient has overflowed; None where that is not looked for."""

    def judge(self) -> None:
        """Follow what the last check found. SolverError where a smaller scale would not help."""

    def state(self) -> dict[str, float]:
        """What `restore` takes."""

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from there."""
