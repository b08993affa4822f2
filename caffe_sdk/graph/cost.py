"""What a net costs: parameters, multiply-adds and bytes, from its graph alone. No memory is touched.

Bytes are those of the plain 32-bit numbers, each counted once: not again for what is computed in place, for what layers
share by a parameter's name, nor for tops that are their bottom in another shape. An engine may take more (layouts and
buffers of its own) or less (a buffer for several blobs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from caffe_sdk.graph.model import Graph, Node
from caffe_sdk.memory import Shape

BYTES = 4  # of a number


@dataclass(frozen=True)
class LayerCost:
    """One layer: its blobs by name and shape, the values of parameters it owns, multiply-adds of a pass, and bytes."""

    name: str
    type: str
    bottoms: tuple[tuple[str, Shape], ...]
    tops: tuple[tuple[str, Shape], ...]
    parameters: int
    multiply_adds: int
    memory: int
    """Bytes of the values of tops and parameters that have memory by this layer."""


@dataclass(frozen=True)
class Cost:
    """A whole net. Everything but ``layers``, ``parameters`` and ``multiply_adds`` is in bytes."""

    layers: tuple[LayerCost, ...]
    parameters: int
    """How many values the parameters have."""
    multiply_adds: int
    parameter_data: int
    parameter_diff: int
    """Of the gradients of parameters that learn."""
    activations: int
    """Of the values of all blobs."""
    gradients: int
    """Of the gradients of all blobs that backward works on."""

    @property
    def forward(self) -> int:
        """Bytes for running forward only."""
        return self.parameter_data + self.activations

    @property
    def total(self) -> int:
        """Bytes for running forward and backward."""
        return self.forward + self.parameter_diff + self.gradients


def cost(graph: Graph) -> Cost:
    """What a net costs as its graph stands."""
    values, gradients = _owners(graph)
    layers = tuple(_layer(graph, node, values) for node in graph.nodes)
    owned = [i for i, parameter in enumerate(graph.parameters) if parameter.owner == i]
    learning = {graph.parameters[p].owner for node in graph.nodes if node.needs for p in node.parameters}
    return Cost(
        layers=layers,
        parameters=sum(_count(graph, i) for i in owned),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        parameter_data=BYTES * sum(_count(graph, i) for i in owned),
        parameter_diff=BYTES * sum(_count(graph, i) for i in owned if i in learning and graph.parameters[i].needs),
        activations=_bytes(graph, set(values)),
        gradients=_bytes(graph, {gradients[blob] for blob in _worked_on(graph)}),
    )


def _owners(graph: Graph) -> tuple[list[int | None], list[int]]:
    """For every blob the blob whose memory its values are in (None: a parameter's), and the same of its gradients."""
    values: list[int | None] = list(range(len(graph.blobs)))
    gradients = list(range(len(graph.blobs)))
    for node in graph.nodes:
        for top in node.tops:
            if node.layer.shares_data:
                values[top] = values[node.bottoms[0]] if node.bottoms else None
            if node.layer.shares_diff:
                gradients[top] = gradients[node.bottoms[0]]
        for bottom in node.passes:
            gradients[bottom] = gradients[node.tops[0]]
    return values, gradients


def _worked_on(graph: Graph) -> set[int]:
    """Blobs whose gradients backward writes or reads; the gradient of a loss is its weight."""
    found = set()
    for node in graph.nodes:
        if node.needs and (node.bottoms or node.parameters):  # nobody reads the gradients of a source's tops
            found |= set(node.tops[: node.layer.smooth_tops])
            found |= {b for b, needed in zip(node.bottoms, node.bottom_needs, strict=True) if needed}
        found |= {top for top, weight in zip(node.tops, node.loss_weights, strict=True) if weight}
    return found


def _layer(graph: Graph, node: Node, values: list[int | None]) -> LayerCost:
    layer, bottoms = node.layer, [graph.blobs[b] for b in node.bottoms]
    own = [p for p in node.parameters if graph.parameters[p].owner == p]
    made = {top for top in node.tops if values[top] == top and top not in node.bottoms}
    parameters = sum(_count(graph, p) for p in own)
    return LayerCost(
        name=layer.name,
        type=layer.type,
        bottoms=tuple((blob.name, blob.shape) for blob in bottoms),
        tops=tuple((graph.blobs[t].name, graph.blobs[t].shape) for t in node.tops),
        parameters=parameters,
        multiply_adds=layer.multiply_adds([blob.shape for blob in bottoms]),
        memory=BYTES * parameters + _bytes(graph, made),
    )


def _count(graph: Graph, parameter: int) -> int:
    return math.prod(graph.parameters[parameter].shape)


def _bytes(graph: Graph, blobs: set[int] | set[int | None]) -> int:
    return BYTES * sum(math.prod(graph.blobs[blob].shape) for blob in blobs if blob is not None)
