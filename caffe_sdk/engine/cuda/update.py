"""Update rules of solvers: one launch updates many parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from caffe_sdk.engine.cuda.base import FLOAT, CudaBase
from caffe_sdk.engine.cuda.checks import Wrong
from caffe_sdk.engine.cuda.structures import MOST_UPDATES, Updates, updates
from caffe_sdk.engine.reference.update import Update
from caffe_sdk.engine.rules import AdaDelta, Adam, RmsProp, Rule, Step
from caffe_sdk.memory import Tensor

RESTS = {RmsProp: ("rms_decay",), AdaDelta: ("momentum",), Adam: ("beta1", "beta2")}
"""Factors of running means. Kernels take what they leave to 1 as well: it is rounded after it is subtracted."""


@dataclass(frozen=True)
class Asked:
    """An update that was asked for."""

    rule: Rule
    weight: Tensor
    diff: Tensor
    histories: Sequence[Tensor]
    step: Step


class CudaUpdate(CudaBase, Update):
    """The rules; a step that is no finite number is a SolverError."""

    _gathered: list[Asked] | None = None

    def update_weights(self, rule: Rule, weight: Tensor, diff: Tensor, histories: Sequence[Tensor], step: Step) -> None:
        """weight -= the rule's step;  diff = the step. All tensors are of one shape."""
        asked = Asked(rule, weight, diff, histories, step)
        if self._gathered is None:
            self._update_all([asked])
        else:
            self._gathered.append(asked)

    @contextmanager
    def together(self, unless: Tensor | None = None) -> Iterator[None]:
        """Updates asked for inside a with block are few launches when it ends, one for a rule and its numbers."""
        with self.lock:
            gathered: list[Asked] = []
            self._gathered = gathered
            try:
                yield
            finally:
                self._gathered = None
            groups: dict[tuple[Any, ...], list[Asked]] = {}
            for one in gathered:
                groups.setdefault((one.rule, one.step.l1, one.step.scale), []).append(one)
            for alike in groups.values():
                self._update_all(alike, unless)

    def find_not_finite(self, gradients: Sequence[Tensor], found: Tensor) -> None:
        """found (1,) = 1 where a gradient is no finite number, else 0."""
        with self.lock:
            given = [([self.source(tensor)] * 2, tensor.count) for tensor in gradients]
            to = self.target(found)
            self.device.clear(to, FLOAT)
            for start in range(0, len(given), MOST_UPDATES):
                some = given[start : start + MOST_UPDATES]
                begin = [0, *itertools.accumulate(count for _, count in some)]
                nothing = [0.0] * len(some)
                columns = [list(column) for column in zip(*(addresses for addresses, _ in some), strict=True)]
                self.launch("find_not_finite", begin[-1], updates(columns, begin, nothing, nothing), to)

    def sum_of_squares(self, tensors: Sequence[Tensor], total: Tensor) -> None:
        """total = the sum of the squares of all numbers of all tensors."""
        given = [(self.source(tensor), tensor.count) for tensor in tensors if tensor.count]
        shares = [self.sum_blocks(count) for _, count in given]
        parts, at = self.scratch("parts", max(1, sum(shares))), 0
        for (source, count), blocks in zip(given, shares, strict=True):
            self.launch_blocks("squares", blocks, count, source, parts + at * FLOAT)
            at += blocks
        self.launch_rows("sum_of_parts", 1, parts, self.target(total), at)

    def _update_all(self, alike: Sequence[Asked], unless: Tensor | None = None) -> None:
        """Update parameters by one rule, with numbers that are the same but for rate and decay."""
        rule, step = alike[0].rule, alike[0].step
        rest = *_numbers(rule), step.l1, step.scale, *self.check(Wrong.STEP, 0), self.source(unless)
        for start in range(0, len(alike), MOST_UPDATES):
            some, count = self._updates(alike[start : start + MOST_UPDATES])
            self.launch(f"{rule.name}_update", count, some, *rest)

    def _updates(self, alike: Sequence[Asked]) -> tuple[Updates, int]:
        """Their tensors and numbers, and how many values there are."""
        rows = [[self.both(tensor) for tensor in (one.weight, one.diff, *one.histories)] for one in alike]
        begin = [0]
        for one in alike:
            begin.append(begin[-1] + one.weight.count)
        columns = [list(column) for column in zip(*rows, strict=True)]
        return updates(columns, begin, [one.step.rate for one in alike], [one.step.decay for one in alike]), begin[-1]


def _numbers(rule: Rule) -> Iterator[float]:
    """A rule's numbers, in the order its kernel takes them."""
    for each in fields(rule):
        value = getattr(rule, each.name)
        yield value
        if each.name in RESTS.get(type(rule), ()):
            yield 1 - value
