"""Convolutions by cuDNN: what they are and what computes them is planned once for each shape.

Every call says whether it was computed. What cuDNN does not support it is not asked for again.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from ctypes import c_float, c_int, c_size_t, c_void_p
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from caffe_sdk.engine.cuda.dnn.choices import MOST, Budget, Choice, Kept, Performance, Rules
from caffe_sdk.engine.cuda.dnn.convolver import Room
from caffe_sdk.engine.cuda.dnn.descriptors import (
    Activation,
    ActivationDescriptor,
    ConvolutionDescriptor,
    FilterDescriptor,
    TensorDescriptor,
)
from caffe_sdk.engine.cuda.dnn.library import Dnn, DnnError
from caffe_sdk.engine.cuda.dnn.shapes import Convolved
from caffe_sdk.errors import InternalError

MOST_PLANS = 1024
IMPLICIT_PRECOMP_GEMM = 1  # cudnnConvolutionFwdAlgo_t: the only one that adds a bias and does nothing else


class Way(Enum):
    """What is computed of x, w and y from the two others, as cuDNN's functions call it."""

    FORWARD = "Forward"
    DATA = "BackwardData"
    FILTER = "BackwardFilter"


@dataclass
class Plan:
    """A convolution's descriptors, and for each way the algorithms that are still good, the best first."""

    shape: Convolved
    x: TensorDescriptor
    w: FilterDescriptor
    y: TensorDescriptor
    bias: TensorDescriptor
    windows: ConvolutionDescriptor
    choices: dict[Way, list[Choice]] = field(default_factory=dict)
    unfused: set[tuple[bool, bool]] = field(default_factory=set)
    """Whether with something else to add, and followed by a ReLU: what could not be computed together with a bias."""

    def sides(self, way: Way) -> tuple[c_void_p, c_void_p, c_void_p]:
        """The descriptors of what is read, twice, and of what is written."""
        x, w, y = self.x.handle, self.w.handle, self.y.handle
        return {Way.FORWARD: (x, w, y), Way.DATA: (w, y, x), Way.FILTER: (x, y, w)}[way]


class DnnConvolution:
    """cuDNN on one device, by a handle of its. ``turn`` makes a thread's calls those of the device."""

    there = True

    def __init__(
        self,
        dnn: Dnn,
        handle: c_void_p,
        turn: AbstractContextManager[None],
        device: str,
        rules: Rules,
        budget: Budget,
        capturing: Callable[[], bool],
    ) -> None:
        self.version = dnn.version
        self._dnn, self._turn, self._device, self._rules, self._capturing = dnn, turn, device, rules, capturing
        self._searches, self._budget = budget.left > 0, budget
        """Whether choices are measured, and how long they may still be."""
        self._plans: dict[Convolved, Plan | None] = {}
        self._handle = handle
        self._ends = {kind: ActivationDescriptor(dnn, kind) for kind in (Activation.RELU, Activation.IDENTITY)}

    # -- what the engine asks for --------------------------------------------------------------------------------------

    def forward(self, shape: Convolved, x: int, w: int, y: int, room: Room) -> bool:
        """y = x convolved with w."""
        return self._computed(shape, Way.FORWARD, (x, w, y), 0.0, room)

    def grad_data(self, shape: Convolved, w: int, dy: int, dx: int, room: Room) -> bool:
        """dx = the transpose of the convolution applied to dy."""
        return self._computed(shape, Way.DATA, (w, dy, dx), 0.0, room)

    def grad_weight(self, shape: Convolved, x: int, dy: int, dw: int, room: Room) -> bool:
        """dw += the gradient of the weights."""
        return self._computed(shape, Way.FILTER, (x, dy, dw), 1.0, room)

    def biased(
        self, shape: Convolved, x: int, w: int, added: tuple[int, int], y: int, rectified: bool, room: Room
    ) -> bool:
        """y = x convolved with w + a bias and if it is there something else, and through a ReLU if ``rectified``."""
        bias, other = added
        kind = other != 0, rectified
        with self._turn:
            plan = self._plan(shape)
            if plan is None or kind in plan.unfused:
                return False
            choices = self._choices(plan, Way.FORWARD, (x, w, y), room)
            if not choices or not (rectified or choices[0].algorithm == IMPLICIT_PRECOMP_GEMM):
                return False
            run = partial(self._run_biased, plan, choices[0], (x, w, bias, other, y), rectified)
            if self._done(plan, Way.FORWARD, choices[0], run, room):
                return True
            plan.unfused.add(kind)
            return False

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _computed(self, shape: Convolved, way: Way, pointers: tuple[int, int, int], beta: float, room: Room) -> bool:
        """Try the choices in their order; those that cannot be are struck out."""
        with self._turn:
            plan = self._plan(shape)
            if plan is None:
                return False
            choices = self._choices(plan, way, pointers, room)
            while choices:
                if self._done(plan, way, choices[0], partial(self._run, plan, way, choices[0], pointers, beta), room):
                    return True
                choices.pop(0)
            return False

    def _done(self, plan: Plan, way: Way, choice: Choice, run: Callable[[int, int], None], room: Room) -> bool:
        """Run a choice with the workspace it takes; False where that is too much, or cuDNN does not support it."""
        try:
            workspace = self._workspace(plan, way, choice)
            if workspace > self._rules.workspace:
                return False
            run(room("columns", workspace) if workspace else 0, workspace)
            return True
        except DnnError as error:
            if not error.refuses():
                raise
            return False

    def _plan(self, shape: Convolved) -> Plan | None:
        """The plan of a shape; None for one that cuDNN has no descriptors for."""
        if not shape.usual:
            return None
        if shape not in self._plans:
            if len(self._plans) >= MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            try:
                self._plans[shape] = self._planned(shape.in_a_plane())
            except DnnError as error:
                if not error.refuses():
                    raise
                self._plans[shape] = None
        return self._plans[shape]

    def _planned(self, shape: Convolved) -> Plan:
        kind = shape.type, shape.layout
        x, y = (TensorDescriptor(self._dnn, sizes, *kind) for sizes in (shape.x, shape.y))
        w = FilterDescriptor(self._dnn, shape.w, *kind)
        bias = TensorDescriptor(self._dnn, (1, shape.w[0], *(1,) * len(shape.pad)), *kind)
        windows = ConvolutionDescriptor(self._dnn, shape)
        result = windows.result(x, w, len(shape.y))
        if result != shape.y:
            raise InternalError("cuDNN", f"it makes {result} of {shape}")
        return Plan(shape, x, w, y, bias, windows)

    def _choices(self, plan: Plan, way: Way, pointers: tuple[int, int, int], room: Room) -> list[Choice]:
        """Measured where there is time for it, else what cuDNN thinks best."""
        choices = plan.choices.get(way)
        if choices is None:
            choices = self._measured(plan, way, pointers, room) or self._guessed(plan, way)
            plan.choices[way] = choices
        return choices

    def _measured(self, plan: Plan, way: Way, pointers: tuple[int, int, int], room: Room) -> list[Choice]:
        """What was kept, or is measured and kept now; nothing while work is captured, or when the time is used up."""
        if not self._searches:
            return []
        kept = Kept.of(self._device, self.version, way.value, plan.shape, self._rules)
        choices = kept.read()
        if choices or self._budget.left <= 0 or self._capturing():
            return choices
        result = pointers[2] if way is not Way.FILTER else room("filter", _filter_bytes(plan.shape))
        workspace = self._rules.workspace
        at = room("columns", workspace) if workspace else 0
        first, second, third = plan.sides(way)
        read = first, pointers[0], second, pointers[1], plan.windows.handle, third, result
        with self._budget.spent():
            choices = self._told(plan, f"cudnnFindConvolution{way.value}AlgorithmEx", read, (at, workspace))
        if choices:
            kept.write(choices)
        return choices

    def _guessed(self, plan: Plan, way: Way) -> list[Choice]:
        """What cuDNN thinks best of a shape: always the same."""
        first, second, third = plan.sides(way)
        given = first, second, plan.windows.handle, third
        return self._told(plan, f"cudnnGetConvolution{way.value}Algorithm_v7", given, ())

    def _told(self, plan: Plan, name: str, before: tuple[Any, ...], after: tuple[Any, ...]) -> list[Choice]:
        """The choices that a function of cuDNN's tells and that keep to the rules; none for what is not supported."""
        found, count = (Performance * MOST)(), c_int()
        plan.windows.multiply_by(self._rules.asked(plan.shape.type))
        try:
            self._dnn.call(name, self._handle, *before, MOST, ctypes.byref(count), found, *after)
        except DnnError as error:
            if not error.refuses():
                raise
        return self._rules.allowed(found[: count.value], plan.shape.type)

    def _workspace(self, plan: Plan, way: Way, choice: Choice) -> int:
        """The bytes that a choice takes. The convolution is told of its math."""
        size = c_size_t()
        plan.windows.multiply_by(choice.math)
        first, second, third = plan.sides(way)
        given = first, second, plan.windows.handle, third, choice.algorithm
        self._dnn.call(f"cudnnGetConvolution{way.value}WorkspaceSize", self._handle, *given, ctypes.byref(size))
        return size.value

    def _run(
        self, plan: Plan, way: Way, choice: Choice, pointers: tuple[int, int, int], beta: float, at: int, workspace: int
    ) -> None:
        first, second, third = plan.sides(way)
        one, kept = ctypes.byref(c_float(1)), ctypes.byref(c_float(beta))
        read = first, pointers[0], second, pointers[1], plan.windows.handle, choice.algorithm, at, workspace
        self._dnn.call(f"cudnnConvolution{way.value}", self._handle, one, *read, kept, third, pointers[2])

    def _run_biased(
        self,
        plan: Plan,
        choice: Choice,
        pointers: tuple[int, int, int, int, int],
        rectified: bool,
        at: int,
        workspace: int,
    ) -> None:
        x, w, bias, other, y = pointers
        end = self._ends[Activation.RELU if rectified else Activation.IDENTITY]
        one, share = ctypes.byref(c_float(1)), ctypes.byref(c_float(1 if other else 0))
        read = plan.x.handle, x, plan.w.handle, w, plan.windows.handle, choice.algorithm, at, workspace
        added = share, plan.y.handle, other or y, plan.bias.handle, bias  # nothing of what y was
        done = end.handle, plan.y.handle, y
        self._dnn.call("cudnnConvolutionBiasActivationForward", self._handle, one, *read, *added, *done)


def _filter_bytes(shape: Convolved) -> int:
    return math.prod(shape.w) * shape.type.nbytes
