"""Running a net: stretches of recordable layers become programs, host layers run between them.

Programs are made on first use and kept for as long as shapes and memories stay what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine, current
from caffe_sdk.engine.operation import Program, Recorder
from caffe_sdk.graph import Node

Key = tuple[int, str, int, int]


class Executor:
    """Runs layers ``first..last`` of a net forward, or ``last..first`` backward."""

    def __init__(self, nodes: Sequence[Node], blobs: Sequence[Blob]) -> None:
        self.nodes = nodes
        self.blobs = blobs
        self._programs: dict[Key, tuple[Engine, Program]] = {}

    def forget(self) -> None:
        """Drop all programs: shapes or memories have changed."""
        self._programs.clear()

    def stretch(self, first: int, last: int) -> int:
        """The last layer, at most ``last``, that runs in one program with ``first``; ``first`` itself on the host."""
        end = first
        while end < last and not self.nodes[first].layer.on_host and not self.nodes[end + 1].layer.on_host:
            end += 1
        return end

    def forward(self, first: int, last: int) -> None:
        """Run one stretch forward."""
        node = self.nodes[first]
        if node.layer.on_host:
            node.layer.forward(current(), self._of(node.bottoms), self._of(node.tops))
        else:
            self._run("forward", first, last)

    def backward(self, first: int, last: int) -> None:
        """Run the layers that need it, ``last`` to ``first``, backward."""
        end = last
        while end >= first:
            start = end
            if self.nodes[end].layer.on_host:
                self._backward_layer(current(), self.nodes[end])
            else:
                while start > first and not self.nodes[start - 1].layer.on_host:
                    start -= 1
                self._run("backward", start, end)
            end = start - 1

    def _run(self, direction: str, first: int, last: int) -> None:
        with np.errstate(all="ignore"):  # numbers too large are inf and NaN, on every engine; the solver looks for them
            self._program(direction, first, last).run()

    def _program(self, direction: str, first: int, last: int) -> Program:
        engine = current()
        key = (id(engine), direction, first, last)
        found = self._programs.get(key)
        if found is None:
            found = self._programs[key] = (engine, self._compile(engine, direction, first, last))
        return found[1]

    def _compile(self, engine: Engine, direction: str, first: int, last: int) -> Program:
        recorder = Recorder()
        stand_in = cast(Engine, recorder)
        if direction == "forward":
            for node in self.nodes[first : last + 1]:
                recorder.where = node.layer.where
                node.layer.forward(stand_in, self._of(node.bottoms), self._of(node.tops))
        else:
            for node in reversed(self.nodes[first : last + 1]):
                recorder.where = node.layer.where
                self._backward_layer(stand_in, node)
        return engine.compile(recorder.calls)

    def _backward_layer(self, engine: Engine, node: Node) -> None:
        if node.needs:
            node.layer.backward(engine, self._of(node.tops), node.bottom_needs, self._of(node.bottoms))

    def _of(self, indices: Sequence[int]) -> list[Blob]:
        return [self.blobs[i] for i in indices]
