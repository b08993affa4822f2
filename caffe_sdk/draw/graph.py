"""A net as a graph of layers and blobs, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffe_sdk.draw.labels import get_edge_label, layer_words
from caffe_sdk.errors import ArgumentError, LayerError
from caffe_sdk.schema.messages import LayerParameter, NetParameter
from caffe_sdk.schema.upgrade import upgrade_net

Shapes = Mapping[str, Sequence[int]]


@dataclass
class Node:
    """A layer or blob. ``words`` describe it, the name first; ``details`` is more than there is room for.

    ``in_place`` are the layers that read a blob and write it again.
    """

    is_blob: bool
    words: list[str]
    details: str = ""
    in_place: list[Node] = field(default_factory=list)


@dataclass
class Edge:
    """From node to node, by number; ``both`` where the layer at its end also writes to the blob at its beginning."""

    first: int
    second: int
    label: str = ""
    both: bool = False


@dataclass
class NetGraph:
    """The nodes, and the edges between them, each once."""

    name: str
    nodes: list[Node]
    edges: list[Edge]


def graph_of(
    caffe_net: Any,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
    shapes: Shapes | None = None,
) -> NetGraph:
    """The graph of a NetParameter of any age. Layers of the same name and type, as of two phases, are one node.

    ``shapes`` of blobs by name are shown with them. Raises ArgumentError for something else than a NetParameter, and
    the ModelErrors of upgrading it.
    """
    builder = _Builder(display_lrm, shapes or {})
    net = _today(caffe_net)
    for i, layer in enumerate(net.layer):
        if phase is None or in_phase(layer, phase):
            builder.add(layer, i, label_edges)
    return NetGraph(net.name or "Net", builder.nodes, list(builder.edges.values()))


def _today(caffe_net: Any) -> Any:
    """The net in today's form, without its blobs."""
    if not hasattr(caffe_net, "DESCRIPTOR") or caffe_net.DESCRIPTOR.full_name != "caffe.NetParameter":
        what = f"a net of type {type(caffe_net).__name__}"
        raise ArgumentError("draw", what, "give a NetParameter, from a prototxt by text_format.Parse")
    net = NetParameter.FromString(caffe_net.SerializePartialToString())
    for layer in [*net.layer, *net.layers]:
        del layer.blobs[:]
    return upgrade_net(net)


def in_phase(layer: Any, phase: int) -> bool:
    """Whether a layer belongs to a phase by its rules. Raises LayerError where it has both includes and excludes."""
    if layer.include and layer.exclude:
        what = "has both include and exclude specified."
        raise LayerError(f"layer '{layer.name}'", what, "give one kind of rules")
    rules = [not rule.HasField("phase") or rule.phase == phase for rule in layer.include or layer.exclude]
    return any(rules) if layer.include else not any(rules)


def without_splits(net: Any) -> Any:
    """A net without the Split layers that copy a blob for each of its readers."""
    plain = NetParameter(name=net.name)
    original: dict[str, str] = {}
    for layer in net.layer:
        if layer.type == "Split":
            original.update(dict.fromkeys(layer.top, original.get(layer.bottom[0], layer.bottom[0])))
        else:
            kept = plain.layer.add()
            kept.CopyFrom(layer)
            kept.bottom[:] = [original.get(bottom, bottom) for bottom in layer.bottom]
    return plain


class _Builder:
    """Collects nodes and edges, layer by layer."""

    def __init__(self, display_lrm: bool, shapes: Shapes) -> None:
        self.display_lrm, self.shapes = display_lrm, shapes
        self.nodes: list[Node] = []
        self.edges: dict[tuple[int, int], Edge] = {}
        self._numbers: dict[tuple[str, ...], int] = {}

    def add(self, layer: Any, index: int, label_edges: bool) -> None:
        node = Node(False, layer_words(layer, self.display_lrm), _details(layer))
        if list(layer.bottom) == list(layer.top) and len(layer.bottom) == 1:
            beside = self.nodes[self._blob(layer.bottom[0])].in_place
            if all(other.words[:2] != node.words[:2] for other in beside):
                beside.append(node)
            return
        bottoms = [self._blob(bottom) for bottom in layer.bottom]
        number = self._number(("layer", layer.name or str(index), layer.type), node)
        for bottom, name in zip(bottoms, layer.bottom, strict=True):
            self.edges.setdefault((bottom, number), Edge(bottom, number, both=name in layer.top))
        label = get_edge_label(layer).strip('"') if label_edges else ""
        for name in layer.top:
            if name not in layer.bottom:
                top = self._blob(name)
                self.edges.setdefault((number, top), Edge(number, top, label if name == layer.top[0] else ""))

    def _blob(self, name: str) -> int:
        shape = [" × ".join(map(str, self.shapes[name]))] if name in self.shapes else []
        return self._number(("blob", name), Node(True, [name, *filter(None, shape)]))

    def _number(self, key: tuple[str, ...], node: Node) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[key]


def _details(layer: Any) -> str:
    plain = LayerParameter()
    plain.CopyFrom(layer)
    for name in ("name", "type", "bottom", "top"):
        plain.ClearField(name)
    return str(plain).strip()
