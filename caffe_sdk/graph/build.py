"""From NetParameter to Graph: layer by layer, bottoms found, shapes inferred, parameters declared and shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk import rng
from caffe_sdk.blob import check_shape
from caffe_sdk.errors import GraphError
from caffe_sdk.graph.gradients import decide_gradients
from caffe_sdk.graph.model import Graph, Node, PlannedBlob, PlannedParameter
from caffe_sdk.graph.splits import insert_splits, unknown_bottom
from caffe_sdk.graph.state import filter_net, net_state
from caffe_sdk.layers import Layer, create
from caffe_sdk.memory import Shape
from caffe_sdk.schema.messages import ParamSpec

AUTOMATIC = "(automatic)"  # Caffe's name for tops that the net adds by itself


def build(
    net: Any, phase: int, level: int = 0, stages: Sequence[str] = (), generator: rng.Generator | None = None
) -> Graph:
    """The graph of a NetParameter (V2, upgraded) in a phase. Raises ModelErrors; touches no blob memory."""
    config = insert_splits(filter_net(net, net_state(net, phase, level, stages)))
    builder = _Builder(config, phase, generator if generator is not None else rng.spawn())
    for layer_config in config.layer:
        builder.add(layer_config)
    graph = builder.graph
    graph.outputs = [builder.latest[name] for name in sorted(builder.available)]
    decide_gradients(graph)
    return graph


class _Builder:
    """Adds one layer after the other to a graph."""

    def __init__(self, config: Any, phase: int, generator: rng.Generator) -> None:
        self.graph = Graph(config.name, phase, config, [], [], [], [], [])
        self.generator = generator
        self.latest: dict[str, int] = {}
        self.available: set[str] = set()  # tops nobody has used yet: the net's outputs in the end
        self.shared: dict[str, int] = {}
        self.layer_names: set[str] = set()

    def add(self, config: Any) -> None:
        layer = create(config, config.phase, self.generator)
        bottoms = [self._bottom(config, j) for j in range(len(config.bottom))]
        _check_propagate_down(layer)
        shapes = [self.graph.blobs[b].shape for b in bottoms]
        top_shapes = top_shapes_of(layer, shapes)
        tops = [self._top(config, j, shape) for j, shape in enumerate(top_shapes)]
        node = Node(layer, bottoms, tops, [False] * len(bottoms), layer.loss_weights(len(tops)))
        self.graph.nodes.append(node)
        self._parameters(node, layer, shapes)
        if config.type == "Input":
            self.graph.inputs += tops

    def _bottom(self, config: Any, j: int) -> int:
        name = config.bottom[j]
        if name not in self.available:
            raise unknown_bottom(self.graph.config, name, config.name, j)
        self.available.discard(name)
        return self.latest[name]

    def _top(self, config: Any, j: int, shape: Shape) -> int:
        name = config.top[j] if j < len(config.top) else AUTOMATIC
        if j < len(config.bottom) and name == config.bottom[j]:  # computed in place
            self.available.add(name)
            self.graph.blobs[self.latest[name]].shape = shape
            return self.latest[name]
        if name in self.latest and name != AUTOMATIC:
            first = next((n.layer.name for n in self.graph.nodes if self.latest[name] in n.tops), config.name)
            raise GraphError(
                f"layer '{config.name}'",
                f"Top blob '{name}' produced by multiple sources.",
                f"layer '{first}' makes it already: rename one, or name it as bottom too to compute in place",
            )
        self.graph.blobs.append(PlannedBlob(name, shape))
        if name != AUTOMATIC:
            self.latest[name] = len(self.graph.blobs) - 1
            self.available.add(name)
        return len(self.graph.blobs) - 1

    def _parameters(self, node: Node, layer: Layer, shapes: Sequence[Shape]) -> None:
        declared = layer.parameters(shapes)
        specs = list(layer.config.param)
        layer.check(
            len(specs) <= len(declared),
            f"Too many params specified: {len(specs)} for {len(declared)} parameters",
            "remove the param entries too many",
        )
        for index, parameter in enumerate(declared):
            spec = specs[index] if index < len(specs) else ParamSpec()
            planned = PlannedParameter(
                layer=len(self.graph.nodes) - 1,
                index=index,
                shape=check_shape(parameter.shape, layer.where),
                filler=parameter.filler,
                name=spec.name,
                owner=len(self.graph.parameters),
                lr_mult=spec.lr_mult if spec.HasField("lr_mult") else None,
                decay_mult=spec.decay_mult if spec.HasField("decay_mult") else None,
                needs=spec.lr_mult != 0,
            )
            if spec.name:
                self._share(planned, spec, layer)
            node.parameters.append(len(self.graph.parameters))
            self.graph.parameters.append(planned)
        layer.param_needs = [self.graph.parameters[p].needs for p in node.parameters]

    def _share(self, parameter: PlannedParameter, spec: Any, layer: Layer) -> None:
        """Give a named parameter its owner; shapes (or counts) and multipliers must agree."""
        owner_index = self.shared.setdefault(spec.name, parameter.owner)
        if owner_index == parameter.owner:
            return
        owner = self.graph.parameters[owner_index]
        owner_layer = self.graph.nodes[owner.layer].layer.name
        cannot = f"Cannot share param '{spec.name}' owned by layer '{owner_layer}' with layer '{layer.name}'"
        if spec.share_mode == ParamSpec.PERMISSIVE:
            if math.prod(owner.shape) != math.prod(parameter.shape):
                raise GraphError(
                    layer.where,
                    f"{cannot}; count mismatch. Owner layer param shape is {_words(owner.shape)}; "
                    f"sharing layer shape is {_words(parameter.shape)}",
                    "share parameters of equal count",
                )
        elif owner.shape != parameter.shape:
            raise GraphError(
                layer.where,
                f"{cannot}; shape mismatch. Owner layer param shape is {_words(owner.shape)}; "
                f"sharing layer expects shape {_words(parameter.shape)}",
                "share parameters of equal shape, or set share_mode: PERMISSIVE",
            )
        parameter.owner = owner_index
        for field in ("lr_mult", "decay_mult"):
            mine, theirs = getattr(parameter, field), getattr(owner, field)
            if mine is not None and theirs is not None and mine != theirs:
                raise GraphError(
                    layer.where,
                    f"Shared param '{spec.name}' has mismatched {field}: {mine:g}, and {theirs:g} in '{owner_layer}'",
                    "give it once or alike",
                )
            if theirs is None:
                setattr(owner, field, mine)


def top_shapes_of(layer: Layer, bottoms: Sequence[Shape]) -> list[Shape]:
    """A layer's top shapes, checked against the limits of blobs, as many as it names or makes by itself."""
    shapes = layer.shapes(bottoms)
    count = max(len(layer.config.top), layer.auto_tops)
    return [check_shape(shape, f"{layer.where}, top {j}") for j, shape in enumerate(shapes[:count])]


def _check_propagate_down(layer: Layer) -> None:
    given, bottoms = len(layer.config.propagate_down), len(layer.config.bottom)
    layer.check(
        given in (0, bottoms),
        f"propagate_down is given {given} times for {bottoms} bottoms",
        "propagate_down param must be specified either 0 or bottom_size times",
    )


def _words(shape: Shape) -> str:
    return f"{' '.join(map(str, shape))} ({math.prod(shape)})"
