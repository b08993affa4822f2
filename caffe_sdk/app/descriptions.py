"""What an application tells about nets, solvers and itself: plain values that any door can carry."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerDescription:
    """A layer of a net; ``params`` are the shapes of its learnable blobs."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: tuple[Shape, ...]


@dataclass(frozen=True)
class NetDescription:
    """A net as it stands, the split layers and blobs that were inserted included; order is that of computation."""

    name: str
    phase: str
    """"train" or "test"."""
    layers: tuple[LayerDescription, ...]
    blobs: tuple[tuple[str, Shape], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class SolverNets:
    """Handles of a solver's nets; they live as long as the solver."""

    net: int
    test_nets: tuple[int, ...]


@dataclass(frozen=True)
class SolverState:
    """Where a solver stands."""

    iter: int
    max_iter: int
    training: bool
    """Whether a step or solve is under way."""


@dataclass(frozen=True)
class Objects:
    """How many objects there are; a solver's own nets count with the solver."""

    solvers: int
    nets: int
