"""From calls to a program: stretches that oneDNN computes, and between them single calls left to the reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext

import numpy as np

from caffe_sdk.engine.cpu import (
    batchnorm,
    choice,
    dense,
    elementwise,
    movement,
    neuron,
    normalization,
    pooling,
    softmax,
)
from caffe_sdk.engine.cpu.arena import Arena
from caffe_sdk.engine.cpu.library import Unsupported, alone, prepare
from caffe_sdk.engine.cpu.pace import Pace
from caffe_sdk.engine.cpu.plan import Places, Plan, Stretch
from caffe_sdk.engine.cpu.rewriting import rewritten
from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Between, Call, Clock, EagerProgram, HasPlace, Needs, Program, StepName
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.threads import num_threads

PLANNERS: dict[str, Callable[[Plan, Work], None]] = {
    **choice.PLANNERS,
    "inner_product": dense.inner_product,
    "inner_product_grad_data": dense.inner_product_grad_data,
    "inner_product_grad_weight": dense.inner_product_grad_weight,
    "max_pool": pooling.max_pool,
    "max_pool_grad": pooling.max_pool_grad,
    "average_pool": pooling.average_pool,
    "average_pool_grad": pooling.average_pool_grad,
    "batch_norm": batchnorm.batch_norm,
    "batch_norm_grad": batchnorm.batch_norm_grad,
    "batch_norm_global": batchnorm.batch_norm_global,
    "batch_norm_global_grad": batchnorm.batch_norm_global_grad,
    "affine": batchnorm.affine,
    "affine_grad_data": batchnorm.affine_grad,
    "affine_grad_scale": batchnorm.affine_grad,
    "affine_grad_shift": batchnorm.affine_grad,
    "lrn": normalization.lrn,
    "lrn_grad": normalization.lrn_grad,
    **dict.fromkeys(neuron.FUNCTIONS, neuron.function),
    **dict.fromkeys(neuron.GRADIENTS, neuron.gradient),
    **dict.fromkeys(neuron.LOOPS, neuron.loop),
    "exponential_grad": neuron.exponential_grad,
    "prelu": neuron.prelu,
    "prelu_grad_data": neuron.prelu_grad,
    "prelu_grad_slope": neuron.prelu_grad,
    "dropout": neuron.dropout,
    "dropout_grad": neuron.dropout_grad,
    "copy": elementwise.copy,
    "fill": elementwise.fill,
    "accumulate": elementwise.accumulate,
    "add_all": elementwise.add_all,
    "weighted_sum": elementwise.weighted_sum,
    "product": elementwise.product,
    "product_grad": elementwise.product_grad,
    "maximum": elementwise.maximum,
    "maximum_grad": elementwise.maximum_grad,
    "concatenate": movement.concatenate,
    "crop": movement.crop,
    "softmax": softmax.softmax,
    "softmax_grad": softmax.softmax_grad,
}
"""How to plan each operation. A planner raises Unsupported before it has added anything to the plan."""

FUSED: dict[str, Callable[[Plan, Work], None]] = {
    "affine_grad": batchnorm.affine_grad,
    "convolution_and_pool": choice.convolution_and_pool,
    "prelu_grad": neuron.prelu_grad,
}
"""How to plan what is an operation only after a rewriting of `fusion`."""

INDEXED = ("max_pool", "max_pool_grad", "maximum", "maximum_grad")
"""Operations whose mask is of indices."""


class CompiledProgram:
    """A program of the cpu engine. Used by one thread at a time, as the memories it works on."""

    def __init__(
        self,
        engine: HasPlace,
        calls: Sequence[Call],
        keep: Set[SyncedMemory] | None = None,
        after: Sequence[Program] = (),
    ) -> None:
        self.engine = engine
        self.calls = list(calls)
        self.lost: Set[SyncedMemory] = frozenset() if keep is None else Flow(calls).lost(keep)
        self._pace = Pace() if all(map(_makes_numbers_anew, calls)) else None
        self._arriving: Places = {}
        for program in after:
            if isinstance(program, CompiledProgram):
                self._arriving.update(program.expected)
        self._build(prepare())

    def run(self, between: Between | None = None) -> None:
        """Compute everything once, in order."""
        with self._ready():
            if self._pace is None or num_threads() == 1:
                self._run(between)
                return
            began = self._pace.begin()
            with alone() if self._pace.alone else nullcontext():
                self._run(between)
            self._pace.end(began)

    def _run(self, between: Between | None) -> None:
        for part in self.parts:
            part.run(between)

    def steps(self) -> list[StepName]:
        """What is computed, step by step, and for which calls."""
        return [step for part in self.parts for step in part.steps()]

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """Compute everything once; how many seconds each step took, in the order of `steps`."""
        with self._ready():
            return [seconds for part in self.parts for seconds in part.timed(clock)]

    def names(self) -> list[str]:
        """What is computed, step by step: oneDNN's primitives, and the operations left to the reference."""
        return [step.means for step in self.steps()]

    @property
    def nbytes(self) -> int:
        """Bytes of scratch memory and of rooms for what is lost."""
        return self.arena.nbytes

    @property
    def scratch(self) -> int:
        """Bytes of scratch memory, had it no rooms for what is lost."""
        return self.arena.scratch

    def needs(self) -> Needs:
        """The buffers of memories it works on."""
        return self.arena.needs()

    def allocated(self) -> int:
        """Bytes of scratch memory and of rooms for what is lost, if it has run."""
        return self.arena.allocated()

    def release(self) -> None:
        """Give back the arena, and let go of memories' buffers."""
        for part in self.parts:
            part.release()
        self.arena.release()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        generation = prepare()
        if generation != self._generation:
            self._build(generation)
        crossing = self.arena.crossing
        for memory, rooms in crossing.items():
            memory.borrow({room.place: self.arena.array(room) for room in rooms if room.place is not None})
        try:
            yield
        finally:
            for memory in crossing:
                memory.return_borrowed()

    def _build(self, generation: int) -> None:
        self._generation = generation
        builder = _Builder(self.engine, self._arriving)
        for work in rewritten(self.calls, self.lost):
            builder.add(work)
        self.parts: list[Stretch | _Single] = builder.finish(self.lost)
        self.arena: Arena = builder.arena
        self.expected: Places = builder.expected
        """Where memories are fresh after a run."""


class _Single(EagerProgram):
    """A call left to the engine's method."""

    def __init__(self, engine: HasPlace, call: Call) -> None:
        super().__init__(engine, [call])


class _Builder:
    """Puts work into plans for as long as oneDNN can do it."""

    def __init__(self, engine: HasPlace, arriving: Places) -> None:
        self.engine = engine
        self.parts: list[Stretch | _Single] = []
        self.expected: Places = {memory: list(places) for memory, places in arriving.items() if not memory.fresh}
        self.arena = Arena()
        self.plan = Plan(self.expected, self.arena)

    def add(self, work: Work) -> None:
        """Plan a piece of work; what cannot be planned is taken apart, and a call by itself is left to the engine."""
        self.plan.calls = work.calls
        try:
            _check(work)
            (PLANNERS.get(work.name) or FUSED[work.name])(self.plan, work)
        except Unsupported:
            for part in work.parts:
                self.add(part)
            if not work.parts:
                self._leave(work.calls[0])

    def finish(self, lost: Set[SyncedMemory]) -> list[Stretch | _Single]:
        """What the program consists of, when nobody wants these memories' numbers afterwards."""
        self._close()
        self.arena.lay_out(lost)
        for part in self.parts:
            if isinstance(part, Stretch):
                part.forget(lost - self.arena.crossing.keys())
        return self.parts

    def _leave(self, call: Call) -> None:
        self._close()
        self.parts.append(_Single(self.engine, call))
        for tensor in (*call.reads(), *call.writes()):
            self.arena.use(self.arena.of(tensor.memory, self.engine.place))
        self.arena.step += 1
        self.arena.part += 1
        for tensor in call.reads():
            places = self.expected.get(tensor.memory, list(tensor.memory.fresh))
            self.expected[tensor.memory] = places if HOST in places else [*places, HOST]
        for tensor in call.writes():
            self.expected[tensor.memory] = [HOST]

    def _close(self) -> None:
        if self.plan.steps:
            self.parts.append(self.plan.finish())
            self.plan = Plan(self.expected, self.arena)
            self.arena.part += 1


def _makes_numbers_anew(call: Call) -> bool:
    """Whether one thread makes the bits that several make: gradients and statistics are sums that threads divide."""
    return not call.operation.updates and "grad" not in call.name


def _check(work: Work) -> None:
    """Unsupported unless there is a planner, and every tensor is a whole memory of float32 (the mask of int32)."""
    if work.name not in PLANNERS and work.name not in FUSED:
        raise Unsupported("oneDNN", f"no {work.name}")
    for call in work.calls:
        mask = call.arguments.get("mask") if call.name in INDEXED else None
        for tensor in (*call.reads(), *call.writes()):
            wanted = np.int32 if tensor is mask else np.float32
            if tensor.memory.dtype != wanted or not 0 < tensor.count == tensor.memory.count:
                raise Unsupported("oneDNN", f"{tensor} of {tensor.memory.dtype} in {call.name}")
