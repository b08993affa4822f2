"""What happens while a solver trains, in the order it happens: log, progress bars and streams all watch these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Output:
    """One number that a net puts out, and its weight in the loss. A blob of n numbers gives n outputs."""

    name: str
    value: float
    loss_weight: float


@dataclass(frozen=True)
class Started:
    """Training to ``max_iter`` begins (stepping does not tell)."""

    iteration: int
    net: str
    lr_policy: str


@dataclass(frozen=True)
class Testing:
    """A test is under way: ``batch`` of ``batches`` are done. The first event of a test has ``batch`` 0."""

    __test__: ClassVar[bool] = False  # pytest takes classes called Test... for its own

    iteration: int
    net_index: int
    batch: int
    batches: int


@dataclass(frozen=True)
class Tested:
    """A test is over: means of the net's outputs, and of its loss where ``test_compute_loss`` asks for it.

    There are no outputs when it was ``interrupted`` by a request to stop.
    """

    __test__: ClassVar[bool] = False

    iteration: int
    net_index: int
    outputs: tuple[Output, ...]
    loss: float | None = None
    interrupted: bool = False


@dataclass(frozen=True)
class Iteration:
    """An iteration was made: the weights are updated."""

    iteration: int
    """Which one, counted from 0."""
    loss: float
    smoothed_loss: float
    """Mean loss of the last ``average_loss`` iterations."""
    rate: float
    outputs: tuple[Output, ...]
    """The train net's outputs at iterations that ``display`` names, none at others."""
    seconds: float
    """How long it took, tests and snapshots not counted."""
    displayed: bool
    """Whether ``display`` names this iteration."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot was written: weights, solverstate and resume record. ``iteration`` counts the updates made."""

    iteration: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Evaluated:
    """After the last iteration the train net was run forward once more, with the final weights."""

    iteration: int
    smoothed_loss: float


@dataclass(frozen=True)
class Finished:
    """Nothing comes after this. ``stopped`` tells whether somebody asked for the end."""

    iteration: int
    stopped: bool


Event = Started | Testing | Tested | Iteration | Snapshot | Evaluated | Finished
