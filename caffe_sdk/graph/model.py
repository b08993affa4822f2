"""The plan of a net: blobs, parameters and layers, and how they hang together. No memory, no numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffe_sdk.layers import Layer
from caffe_sdk.memory import Shape


@dataclass(slots=True)
class PlannedBlob:
    """A blob: its name and shape, and whether anything wants its gradient."""

    name: str
    shape: Shape
    needs: bool = False


@dataclass(slots=True)
class PlannedParameter:
    """A parameter of a layer: its first values' filler and its place in training.

    ``owner`` is the index (in `Graph.parameters`) of the parameter whose memory it uses, its own if it owns it.
    """

    layer: int
    index: int
    shape: Shape
    filler: Any
    name: str
    owner: int
    lr_mult: float | None
    decay_mult: float | None
    needs: bool = True


@dataclass
class Node:
    """A layer in the net: indices of its blobs and parameters, and what backward must do."""

    layer: Layer
    bottoms: list[int]
    tops: list[int]
    bottom_needs: list[bool]
    loss_weights: list[float]
    parameters: list[int] = field(default_factory=list)
    needs: bool = False
    """Whether backward runs through this layer."""
    passes: list[int] = field(default_factory=list)
    """Blobs among the bottoms whose gradients have the memory of the first top's, being the same numbers."""


@dataclass
class Graph:
    """A whole net, checked, with all shapes known."""

    name: str
    phase: int
    config: Any
    """The NetParameter it was built from: filtered, with splits."""
    blobs: list[PlannedBlob]
    parameters: list[PlannedParameter]
    nodes: list[Node]
    inputs: list[int]
    outputs: list[int]
