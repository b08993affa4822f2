"""Update rules: what becomes of a parameter, its gradient and its history, once per iteration.

A rule says how many history blobs a parameter has and tells the engine what to compute. All rules first make
g = scale * diff + decay * weight (L2; the weight's sign instead of it for L1), and leave in diff what they take from
the weight, as Caffe does. ``scale`` holds both gradient clipping and the division by ``iter_size``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from caffe_sdk.engine import Engine, rules
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Array, Tensor


@dataclass(frozen=True)
class Numbers:
    """What an update needs to know besides the parameter."""

    rate: float
    """The learning rate times the parameter's lr_mult."""
    decay: float
    """The weight decay times the parameter's decay_mult."""
    scale: float
    """The factor of the gradients: 1 / iter_size, and less where they are clipped."""
    iteration: int
    """Updates made before this one."""


class Rule(ABC):
    """An update rule, named by a solver class's ``rule``. A rule of one's own is a subclass with `update`, or of
    `ArrayRule` with `step`.
    """

    histories: ClassVar[int] = 1
    """History blobs per parameter, each in the parameter's shape. A snapshot holds the first ones of all parameters,
    then the second ones."""

    def __init__(self, param: Any) -> None:
        self.l1 = l1_regularization(param)
        self.momentum = float(param.momentum)
        self.setup(param)

    def setup(self, param: Any) -> None:  # noqa: B027 - a rule need not have more numbers
        """Read and check what the rule needs of a SolverParameter."""

    @abstractmethod
    def update(self, engine: Engine, weight: Tensor, diff: Tensor, history: Sequence[Tensor], by: Numbers) -> None:
        """Tell the engine to update one parameter."""


class EngineRule(Rule):
    """A rule that engines compute; ``setup`` reads its numbers."""

    rule: rules.Rule

    def update(self, engine: Engine, weight: Tensor, diff: Tensor, history: Sequence[Tensor], by: Numbers) -> None:
        step = rules.Step(self.rate(by), by.decay, self.l1, by.scale)
        engine.update_weights(self.rule, weight, diff, history, step)

    def rate(self, by: Numbers) -> float:
        """What steps are multiplied with."""
        return by.rate


class SGD(EngineRule):
    """v = momentum * v + rate * g;  weight -= v"""

    def setup(self, param: Any) -> None:
        self.rule = rules.Sgd(self.momentum)


class Nesterov(EngineRule):
    """Nesterov's accelerated gradient: new = momentum * v + rate * g;  weight -= (1 + momentum) * new - momentum * v"""

    def setup(self, param: Any) -> None:
        self.rule = rules.Nesterov(self.momentum)


class AdaGrad(EngineRule):
    """h += g^2;  weight -= rate * g / (sqrt(h) + delta)"""

    def setup(self, param: Any) -> None:
        _without_momentum(param, "AdaGrad")
        self.rule = rules.AdaGrad(float(param.delta))


class RMSProp(EngineRule):
    """h = rms_decay * h + (1 - rms_decay) * g^2;  weight -= rate * g / (sqrt(h) + delta)"""

    def setup(self, param: Any) -> None:
        _without_momentum(param, "RMSProp")
        rms_decay = float(param.rms_decay)
        if not 0 <= rms_decay < 1:
            raise SolverError("solver", f"rms_decay is {rms_decay:g}", "give 0 or more and less than 1")
        self.rule = rules.RmsProp(rms_decay, float(param.delta))


class AdaDelta(EngineRule):
    """weight -= rate * s, where s = g * sqrt((h2 + delta) / (h1 + delta)).

    h1 and h2 are running means of g^2 and s^2, with momentum as factor.
    """

    histories = 2

    def setup(self, param: Any) -> None:
        self.rule = rules.AdaDelta(self.momentum, float(param.delta))


class Adam(EngineRule):
    """weight -= rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * m / (sqrt(v) + delta) at update t, counted from 1.

    m and v are running means of g and g^2, with factors momentum and momentum2; they begin at 0.
    """

    histories = 2

    def setup(self, param: Any) -> None:
        self.momentum2 = float(param.momentum2)
        for name, value in (("momentum", self.momentum), ("momentum2", self.momentum2)):
            if not 0 <= value < 1:
                raise SolverError("solver", f"{name} is {value:g}", "Adam needs 0 or more and less than 1")
        self.rule = rules.Adam(self.momentum, self.momentum2, float(param.delta))

    def rate(self, by: Numbers) -> float:
        t = by.iteration + 1
        return by.rate * (math.sqrt(1 - self.momentum2**t) / (1 - self.momentum**t))


class ArrayRule(Rule):
    """A rule of one's own on NumPy arrays: quick to write, the same with every engine, and slower than theirs.

    The gradient that `step` is given is scaled and has the weight decay in it already.
    """

    @abstractmethod
    def step(self, weight: Array, gradient: Array, history: Sequence[Array], by: Numbers) -> Array:
        """What to take from ``weight``, in its shape. Histories are changed in place; they begin as zeros."""

    def update(self, engine: Engine, weight: Tensor, diff: Tensor, history: Sequence[Tensor], by: Numbers) -> None:
        values, gradient = _array(weight), _array(diff)
        gradient *= by.scale
        gradient += by.decay * (np.sign(values) if self.l1 else values)
        gradient[...] = self.step(values, gradient, [_array(each) for each in history], by)
        values -= gradient


def _array(tensor: Tensor) -> Array:
    """A tensor's numbers at the host, to be changed."""
    array: Array = tensor.memory.update(HOST)[: tensor.count].reshape(tensor.shape)
    return array


def _without_momentum(param: Any, name: str) -> None:
    if param.momentum != 0:
        raise SolverError("solver", f"Momentum cannot be used with {name}: it is {param.momentum:g}", "remove momentum")


def l1_regularization(param: Any) -> bool:
    """Whether weights decay by their sign (L1) instead of their value (L2); SolverError for any other type."""
    kind = param.regularization_type
    if kind not in ("L1", "L2"):
        raise SolverError("solver", f"Unknown regularization type: {kind}", "use L1 or L2")
    return bool(kind == "L1")
