"""Running a net: stretches of recordable layers become programs, host layers run between them.

Programs are made on first use and kept for as long as shapes and memories stay what they were. In the phase TEST they
keep only what somebody may want (`_kept`); what else somebody asks for is computed again, and kept from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import cast

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine, chosen, kind_of, select
from caffe_sdk.engine.operation import Between, Call, Clock, Program, Recorder, StepName
from caffe_sdk.errors import DeviceError
from caffe_sdk.graph import Node
from caffe_sdk.memory import SyncedMemory
from caffe_sdk.net.recall import Lean, lean

Key = tuple[int, str, int, int]
NOBODY: frozenset[SyncedMemory] = frozenset()


class Executor:
    """Runs layers ``first..last`` of a net forward, or ``last..first`` backward.

    Where it ``may_lose`` numbers, forward need not keep what nobody looks at; ``outputs`` are what everybody looks at.
    """

    def __init__(
        self, nodes: Sequence[Node], blobs: Sequence[Blob], outputs: Sequence[int] = (), may_lose: bool = False
    ) -> None:
        self.nodes = nodes
        self.blobs = blobs
        self.outputs = outputs
        self.may_lose = may_lose
        self._asked: set[int] = set()
        self._programs: dict[Key, tuple[Engine, Program]] = {}
        self._leans: dict[Key, tuple[Engine, frozenset[int], Lean | None]] = {}
        self._provisional = False
        self.between: Between | None = None
        """Called before each step of a run."""
        self.homes: dict[str, str] = {}
        """The engine it stays with, of each kind of which there are several."""
        self._home()

    @property
    def engine(self) -> Engine:
        """Who computes: the engine that is chosen; among several GPUs the one that was when the net was made."""
        return select(self._home())

    def _home(self) -> str:
        name = chosen()
        return self.homes.setdefault(kind_of(name), name)

    def forget(self) -> None:
        """Drop all programs: shapes or memories have changed."""
        self._programs.clear()
        self._leans.clear()

    def close(self) -> None:
        """Drop all programs, and with them what they lost."""
        for _, _, found in self._leans.values():
            for memory in found.hooks if found is not None else ():
                memory.forget()
        self.forget()

    def stretch(self, first: int, last: int) -> int:
        """The last layer, at most ``last``, that runs in one program with ``first``; ``first`` itself on the host."""
        end = first
        while end < last and not self.nodes[first].layer.on_host and not self.nodes[end + 1].layer.on_host:
            end += 1
        return end

    # -- running -------------------------------------------------------------------------------------------------------

    def forward(self, first: int, last: int, held: Set[SyncedMemory] = NOBODY) -> None:
        """Run one stretch forward. ``held`` are memories that somebody has a view of."""
        node = self.nodes[first]
        if self._provisional:  # made when it was not yet known where numbers would be
            self.forget()
            self._provisional = False
        if node.layer.on_host:
            if self.between is not None:
                self.between()
            node.layer.forward(self.engine, self._of(node.bottoms), self._of(node.tops))
            return
        self._run(self._forward_run(first, last, held), first, last, self.between)

    def backward(self, first: int, last: int) -> None:
        """Run the layers that need it, ``last`` to ``first``, backward. From now on forward keeps all it takes."""
        self._provisional |= self.may_lose
        self.may_lose = False
        for start, end in self._back(first, last):
            if self.nodes[end].layer.on_host:
                if self.between is not None:
                    self.between()
                self._backward_layer(self.engine, self.nodes[end])
            else:
                self._run(self._program("backward", start, end), start, end, self.between)

    def timed(self, backward: bool, clock: Clock) -> list[tuple[StepName, float]]:
        """Run all layers one way, those on the host left out: every step with the seconds it took."""
        steps: list[tuple[StepName, float]] = []
        for program in self._plan_backward() if backward else self._plan_forward():
            with np.errstate(all="ignore"):
                steps += zip(program.steps(), program.timed(clock), strict=True)
        return steps

    def plan(self, backward: bool) -> list[Program | Lean]:
        """The programs that run all layers forward, and if asked for backward; nothing is computed or allocated."""
        return [*self._plan_forward(), *(self._plan_backward() if backward else [])]

    def _plan_forward(self) -> list[Program | Lean]:
        found: list[Program | Lean] = []
        first, last = 0, len(self.nodes) - 1
        while first <= last:
            end = self.stretch(first, last)
            if not self.nodes[first].layer.on_host:
                found.append(self._forward_run(first, end, NOBODY))
            first = end + 1
        return found

    def _plan_backward(self) -> list[Program]:
        stretches = self._back(0, len(self.nodes) - 1)
        back = [(start, end) for start, end in stretches if not self.nodes[end].layer.on_host]
        return [self._program("backward", start, end) for start, end in back]

    def programs(self) -> list[Program | Lean]:
        """Every program there is."""
        lean = [lean for _, _, lean in self._leans.values() if lean is not None]
        return [*(program for _, program in self._programs.values()), *lean]

    def _back(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The stretches between two layers, the last in front."""
        end = last
        while end >= first:
            start = end
            while start > first and not self.nodes[end].layer.on_host and not self.nodes[start - 1].layer.on_host:
                start -= 1
            yield start, end
            end = start - 1

    def _run(self, program: Program | Lean, first: int, last: int, between: Between | None = None) -> None:
        with np.errstate(all="ignore"):  # numbers too large are inf and NaN, on every engine; the solver looks for them
            try:
                program.run(between)
            except MemoryError as error:
                what = (
                    f"layers '{self.nodes[first].layer.name}' to '{self.nodes[last].layer.name}' need memory: {error}"
                )
                raise DeviceError("memory", what, "use a smaller batch or input") from None

    # -- programs ------------------------------------------------------------------------------------------------------

    def _forward_run(self, first: int, last: int, held: Set[SyncedMemory]) -> Program | Lean:
        """What runs a stretch forward: whatever takes least memory while these memories can change unseen."""
        engine = self.engine
        found = self._lean(engine, first, last)
        if found is not None and held:
            self._asked |= {i for i, blob in enumerate(self.blobs) if blob.data_memory in held & found.hooks.keys()}
            found = self._lean(engine, first, last) if held.isdisjoint(found.constant) else None
        if found is None:
            return self._program("forward", first, last)
        whole = self._programs.get((id(engine), "forward", first, last))
        if whole is not None:
            whole[1].release()  # nobody may need again what it holds
        return found

    def _program(self, direction: str, first: int, last: int) -> Program:
        """The program of a stretch that keeps everything."""
        engine = self.engine
        key = (id(engine), direction, first, last)
        found = self._programs.get(key)
        if found is None:
            program = engine.compile(self._calls(direction, first, last), after=self._before(engine))
            found = self._programs[key] = (engine, program)
        return found[1]

    def _before(self, engine: Engine) -> list[Program]:
        """What is likely to have run before a program that is made: all that goes forward."""
        runs = [(key, program) for key, (_, program) in self._programs.items()]
        runs += [(key, lean.program) for key, (_, _, lean) in self._leans.items() if lean is not None]
        return [program for (number, way, _, _), program in runs if number == id(engine) and way == "forward"]

    def _lean(self, engine: Engine, first: int, last: int) -> Lean | None:
        """The program of a stretch forward that keeps what is wanted; None where it would not take less memory."""
        if not self.may_lose:
            return None
        key = (id(engine), "forward", first, last)
        found = self._leans.get(key)
        if found is None or found[1] != self._asked:
            found = self._leans[key] = (engine, frozenset(self._asked), self._make_lean(engine, first, last))
        return found[2]

    def _make_lean(self, engine: Engine, first: int, last: int) -> Lean | None:
        parameters = {blob.data_memory for node in self.nodes for blob in node.layer.blobs}
        labels = {blob.data_memory: i for i, blob in enumerate(self.blobs)}
        calls = self._calls("forward", first, last)
        after = self._before(engine)
        return lean(engine, calls, self._kept(first, last), parameters, labels, self._asked, after)

    def _kept(self, first: int, last: int) -> set[SyncedMemory]:
        """What others than these layers may want of them: users what comes out, other layers what they work on."""
        outside = (*self.nodes[:first], *self.nodes[last + 1 :])
        wanted = {*self.outputs, *self._asked, *self.nodes[last].tops}
        wanted.update(blob for node in outside for blob in (*node.bottoms, *node.tops))
        wanted.update(top for node in self.nodes for top, w in zip(node.tops, node.loss_weights, strict=True) if w)
        blobs = [self.blobs[i] for i in wanted] + [blob for node in self.nodes for blob in node.layer.blobs]
        return {memory for blob in blobs for memory in (blob.data_memory, blob.diff_memory)}

    def _calls(self, direction: str, first: int, last: int) -> list[Call]:
        """What the layers of a stretch tell an engine."""
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
        return recorder.calls

    def _backward_layer(self, engine: Engine, node: Node) -> None:
        if node.needs:
            node.layer.backward(engine, self._of(node.tops), node.bottom_needs, self._of(node.bottoms))

    def _of(self, indices: Sequence[int]) -> list[Blob]:
        return [self.blobs[i] for i in indices]
