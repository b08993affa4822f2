"""Nets to compute batches in: clones of one net, with its weights, each for one size of batch and shape of items.

A net that takes another shape has its programs made anew, which costs a few runs. So there is a clone for each of the
sizes 1, 2, 4, ... up to the largest batch, and a batch between them is filled up. Which size serves waiting items best
is what measuring says: where larger batches are not computed at a higher rate, they only make everybody wait.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.engine.operation import Between
from caffe_sdk.errors import LimitError
from caffe_sdk.memory import HOST, Array, Shape
from caffe_sdk.net import Net
from caffe_sdk.serving.deploy import Deployed, reshape
from caffe_sdk.serving.requests import Timings

Inputs = Mapping[str, Array]
ItemShape = tuple[tuple[str, Shape], ...]
"""Shapes of an item's inputs, without the batch."""

KEPT = 16
"""Clones for sizes and shapes that clients came with, beside those for the sizes of batches."""
ENOUGH = 0.98
"""How much of the best rate a smaller batch must reach to be preferred."""
SLOWER = 0.3
"""How much a run counts that took longer than its size is known to: most often others were at work on the computer."""
DOUBT, LEAST = 0.99, 0.25
"""What is believed of a size's time for each run since it was measured, and at least: it is tried again some day."""


def sizes_up_to(largest: int) -> tuple[int, ...]:
    """1, 2, 4, ... and the largest."""
    powers = [1 << i for i in range(largest.bit_length()) if 1 << i < largest]
    return (*powers, largest)


class Sizes:
    """The sizes of batches, and how many seconds one of each takes. Several threads may use it.

    A batch is taken to cost something by itself and something for each item, which is fitted to what was measured: the
    computer has other things to do, and what one size took now and then says little of it.
    """

    def __init__(self, largest: int) -> None:
        self.all = sizes_up_to(largest)
        self._runs = 0
        self._measured: dict[int, tuple[float, int]] = {}
        """Seconds, and at which run that was."""
        self._line: tuple[float, float] | None = (1.0, 0.0)  # before anything is measured larger batches are better

    def took(self, size: int, seconds: float) -> None:
        """A batch of this size has been computed."""
        seconds = max(seconds, 1e-9)  # clocks may stand still
        self._runs += 1
        before, _ = self._measured.get(size, (seconds, 0))
        after = seconds if seconds < before else before + SLOWER * (seconds - before)
        self._measured = {**self._measured, size: (after, self._runs)}
        self._line = None  # fitted when somebody asks, which a lone client's requests need not

    def seconds(self, size: int) -> float:
        """What a batch of this size is expected to take."""
        fixed, each = self._line or self._fit()
        return fixed + each * size

    def _fit(self) -> tuple[float, float]:
        runs, measured = self._runs, self._measured
        line = _fitted({size: t * max(LEAST, DOUBT ** (runs - run)) for size, (t, run) in measured.items()})
        self._line = line
        return line

    def best(self, items: int, least: int = 1) -> int:
        """The size, ``least`` at least, in which to compute the next of so many items that wait.

        It is the smallest that reaches nearly the best rate.
        """
        possible = [size for size in self.all if size >= least]
        rates = [min(items, size) / self.seconds(size) for size in possible]
        enough = ENOUGH * max(rates)
        return next(size for size, rate in zip(possible, rates, strict=True) if rate >= enough)

    def fitting(self, items: int) -> int:
        """The smallest size with room for so many items; they are no more than the largest."""
        return next(size for size in self.all if size >= items)


def _fitted(measured: Mapping[int, float]) -> tuple[float, float]:
    """Seconds for a batch and for each item, neither below 0, of the line with the least relative errors.

    It minimizes the sum over sizes s of ((fixed + each s) / t(s) - 1)².
    """
    points = [(1 / seconds, size / seconds) for size, seconds in measured.items()]
    batches, both, items = (sum(x[i] * x[j] for x in points) for i, j in ((0, 0), (0, 1), (1, 1)))
    one, two = (sum(x[i] for x in points) for i in range(2))
    determinant = batches * items - both * both
    if determinant > 1e-9 * batches * items:
        fixed, each = (one * items - two * both) / determinant, (two * batches - one * both) / determinant
        if fixed >= 0 and each >= 0:
            return fixed, each
        if fixed >= 0:
            return one / batches, 0.0
    return 0.0, two / items


class Context(NamedTuple):
    """A clone, and the state of those of its layers that remember: every batch begins with it anew."""

    net: Net
    state: dict[str, Any]

    def forget(self) -> None:
        """Let layers that remember earlier runs (LSTM, RNN) begin anew: what they saw was another client's."""
        for name, state in self.state.items():
            self.net.layer_dict[name].restore_state(state)


class Computed(NamedTuple):
    """What came of a batch: the wanted blobs of each part, and where the time went."""

    outputs: list[dict[str, Array]]
    timings: Timings


class Contexts:
    """The clones in which one thread computes."""

    def __init__(self, deployed: Deployed, max_bytes: int, where: str) -> None:
        self._deployed, self._max_bytes, self._where = deployed, max_bytes, where
        self._kept: dict[tuple[int, ItemShape], Context] = {}
        self._latest: OrderedDict[tuple[int, ItemShape], Context] = OrderedDict()

    def run(
        self,
        parts: Sequence[Inputs],
        size: int,
        wanted: Sequence[str],
        between: Between | None = None,
        keep: bool = False,
    ) -> Computed:
        """Compute parts of a batch together in a clone for ``size`` items; ``between`` may end it between layers.

        The parts are alike but for their numbers of items. With ``keep`` the clone stays whatever shapes come later.
        """
        began = time.monotonic_ns()
        lengths = [len(next(iter(part.values()))) for part in parts]
        context = self._context(size, tuple((name, array.shape[1:]) for name, array in parts[0].items()), keep)
        net = context.net
        context.forget()
        for name in parts[0]:
            _fill(net, name, [part[name] for part in parts])
        placed = time.monotonic_ns()
        net.between_steps = between
        try:
            net.run()
        finally:
            net.between_steps = None
        ran = time.monotonic_ns()
        whole = {name: _values(net, name) for name in wanted}
        outputs, start = [], 0
        for length in lengths:
            rows = slice(start, start + length) if self._deployed.together else slice(None)
            outputs.append({name: np.array(value[rows] if value.ndim else value) for name, value in whole.items()})
            start += length
        timings = Timings(0, placed - began, ran - placed, time.monotonic_ns() - ran, sum(lengths))
        return Computed(outputs, timings)

    def close(self) -> None:
        """Let all clones go."""
        for context in (*self._kept.values(), *self._latest.values()):
            context.net.close()
        self._kept.clear()
        self._latest.clear()

    def _context(self, size: int, shape: ItemShape, keep: bool) -> Context:
        key = size, shape
        if key in self._kept:
            return self._kept[key]
        context = self._latest.pop(key, None) or self._make(size, shape)
        if keep:
            self._kept[key] = context
            return context
        self._latest[key] = context
        if len(self._latest) > KEPT:
            self._latest.popitem(last=False)[1].net.close()
        return context

    def _make(self, size: int, shape: ItemShape) -> Context:
        """A clone for batches of this size; LimitError, and nothing allocated, if it would take too much."""
        net = self._deployed.net.clone()
        try:
            if self._deployed.free:
                reshape(net, {name: (size, *sizes) for name, sizes in shape})
            memory = net.memory
            taken = memory.total - memory.parameters
            if taken > self._max_bytes:
                what = f"{size} items take {taken:,} bytes, and a batch may take {self._max_bytes:,}"
                raise LimitError(self._where, what, "send fewer or smaller items")
        except BaseException:
            net.close()
            raise
        return Context(net, {layer.name: state for layer in net.layers if (state := layer.state())})


def _fill(net: Net, name: str, arrays: Sequence[Array]) -> None:
    """Put arrays into an input, one after the other; room that is left gets copies of the first item."""
    blob = net.blobs[name]
    values = blob.data_memory.write(HOST)[: blob.count].reshape(blob.shape)
    start = 0
    for array in arrays:
        values[start : start + len(array)] = array
        start += len(array)
    values[start:] = values[0]


def _values(net: Net, name: str) -> Array:
    blob = net.blobs[name]
    values: Array = blob.data_memory.read(HOST)[: blob.count].reshape(blob.shape)
    return values
