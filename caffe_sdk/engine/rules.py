"""The rules by which solvers change weights, with their numbers.

Every rule starts from the gradient of the regularised loss,

    g = scale diff + decay weight        (with ``l1``: decay sign(weight)),

takes a step from the weight, and leaves the step in diff, as Caffe does. What it remembers of a parameter are tensors
of the parameter's shape, its histories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Step:
    """What all rules take."""

    rate: float
    decay: float = 0.0
    l1: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Sgd:
    """history = momentum history + rate g;  weight -= history"""

    name: ClassVar = "sgd"
    momentum: float


@dataclass(frozen=True)
class Nesterov:
    """new = momentum history + rate g;  weight -= (1 + momentum) new - momentum history;  history = new"""

    name: ClassVar = "nesterov"
    momentum: float


@dataclass(frozen=True)
class AdaGrad:
    """history += g^2;  weight -= rate g / (sqrt(history) + delta)"""

    name: ClassVar = "adagrad"
    delta: float


@dataclass(frozen=True)
class RmsProp:
    """history = rms_decay history + (1 - rms_decay) g^2;  weight -= rate g / (sqrt(history) + delta)"""

    name: ClassVar = "rmsprop"
    rms_decay: float
    delta: float


@dataclass(frozen=True)
class AdaDelta:
    """Two running means with factor ``momentum``: of g^2 in squares, of s^2 in steps, the two histories, where

    s = g sqrt((steps + delta) / (squares + delta));  weight -= rate s
    """

    name: ClassVar = "adadelta"
    momentum: float
    delta: float


@dataclass(frozen=True)
class Adam:
    """mean = beta1 mean + (1 - beta1) g;  squares = beta2 squares + (1 - beta2) g^2, the two histories;

    weight -= rate mean / (sqrt(squares) + delta). The correction of the two means' bias is part of ``rate``.
    """

    name: ClassVar = "adam"
    beta1: float
    beta2: float
    delta: float


Rule = Sgd | Nesterov | AdaGrad | RmsProp | AdaDelta | Adam
