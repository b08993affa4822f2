"""Update rules of solvers: one launch updates many parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from caffe_sdk.engine.cuda.base import FLOAT, CudaBase
from caffe_sdk.engine.cuda.checks import Wrong
from caffe_sdk.engine.cuda.structures import MOST_UPDATES, Updates, updates
from caffe_sdk.engine.operation import OPERATIONS, Call
from caffe_sdk.engine.reference.update import Update
from caffe_sdk.memory import Tensor

HISTORIES = {
    "sgd_update": ("history",),
    "nesterov_update": ("history",),
    "adagrad_update": ("history",),
    "rmsprop_update": ("history",),
    "adadelta_update": ("squares", "steps"),
    "adam_update": ("mean", "squares"),
}
"""What each rule remembers of a parameter."""
OWN = {
    "sgd_update": ("momentum",),
    "nesterov_update": ("momentum",),
    "adagrad_update": ("delta",),
    "rmsprop_update": ("rms_decay", "1 - rms_decay", "delta"),
    "adadelta_update": ("momentum", "1 - momentum", "delta"),
    "adam_update": ("beta1", "1 - beta1", "beta2", "1 - beta2", "delta"),
}
"""The numbers of each rule, in the order its kernel takes them: 1 - b is rounded after it is subtracted."""


class CudaUpdate(CudaBase, Update):
    """The rules; a step that is no finite number is a SolverError."""

    _gathered: list[Call] | None = None

    def sgd_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = momentum history + rate g;  weight -= history"""
        self._update("sgd_update", weight, diff, history, rate, momentum, decay, l1, scale)

    def nesterov_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """new = momentum history + rate g;  weight -= (1 + momentum) new - momentum history;  history = new"""
        self._update("nesterov_update", weight, diff, history, rate, momentum, decay, l1, scale)

    def adagrad_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history += g^2;  weight -= rate g / (sqrt(history) + delta)"""
        self._update("adagrad_update", weight, diff, history, rate, delta, decay, l1, scale)

    def rmsprop_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        rms_decay: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = rms_decay history + (1 - rms_decay) g^2;  weight -= rate g / (sqrt(history) + delta)"""
        self._update("rmsprop_update", weight, diff, history, rate, rms_decay, delta, decay, l1, scale)

    def adadelta_update(
        self,
        weight: Tensor,
        diff: Tensor,
        squares: Tensor,
        steps: Tensor,
        rate: float,
        momentum: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """Two running means with factor ``momentum``: of g^2 in squares, of s^2 in steps, where

        s = g sqrt((steps + delta) / (squares + delta));  weight -= rate s
        """
        self._update("adadelta_update", weight, diff, squares, steps, rate, momentum, delta, decay, l1, scale)

    def adam_update(
        self,
        weight: Tensor,
        diff: Tensor,
        mean: Tensor,
        squares: Tensor,
        rate: float,
        beta1: float,
        beta2: float,
        delta: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """mean = beta1 mean + (1 - beta1) g;  squares = beta2 squares + (1 - beta2) g^2;

        weight -= rate mean / (sqrt(squares) + delta). The correction of the two means' bias is part of ``rate``.
        """
        self._update("adam_update", weight, diff, mean, squares, rate, beta1, beta2, delta, decay, l1, scale)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Updates asked for inside a with block are few launches when it ends, one for a rule and its numbers."""
        with self.lock:
            gathered: list[Call] = []
            self._gathered = gathered
            try:
                yield
            finally:
                self._gathered = None
            groups: dict[tuple[Any, ...], list[Call]] = {}
            for call in gathered:
                numbers = (call[of.removeprefix("1 - ")] for of in (*OWN[call.name], "l1", "scale"))
                groups.setdefault((call.name, *numbers), []).append(call)
            for calls in groups.values():
                self.update_all(calls)

    def _update(self, rule: str, *arguments: Any) -> None:
        call = OPERATIONS[rule].bind(arguments, {})
        if self._gathered is None:
            self.update_all([call])
        else:
            self._gathered.append(call)

    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers of all tensors."""
        given = [(self.source(tensor), tensor.count) for tensor in tensors if tensor.count]
        shares = [self.sum_blocks(count) for _, count in given]
        parts, at = self.scratch("parts", max(1, sum(shares))), 0
        for (source, count), blocks in zip(given, shares, strict=True):
            self.launch_blocks("squares", blocks, count, source, parts + at * FLOAT)
            at += blocks
        self.launch_rows("sum_of_parts", 1, parts, self.target(total), at)

    def update_all(self, calls: Sequence[Call]) -> None:
        """Update the parameters of several calls of one rule that differ in tensors, rate and decay alone."""
        name, first = calls[0].name, calls[0]
        numbers = [1 - first[of[4:]] if of.startswith("1 - ") else first[of] for of in OWN[name]]
        rest = *numbers, first["l1"], first["scale"], *self.check(Wrong.STEP, 0)
        for start in range(0, len(calls), MOST_UPDATES):
            some, count = self._updates(calls[start : start + MOST_UPDATES])
            self.launch(name, count, some, *rest)

    def _updates(self, calls: Sequence[Call]) -> tuple[Updates, int]:
        """The calls' tensors and numbers, and how many values there are."""
        histories = HISTORIES[calls[0].name]
        columns = [[self.both(call[of]) for call in calls] for of in ("weight", "diff", *histories)]
        begin = [0]
        for call in calls:
            begin.append(begin[-1] + call["weight"].count)
        numbers = ([call[of] for call in calls] for of in ("rate", "decay"))
        return updates(columns, begin, *numbers), begin[-1]
