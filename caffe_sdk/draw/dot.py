"""A net for Graphviz: as its text, and as a graph of pydot."""

from __future__ import annotations

from typing import Any

from caffe_sdk.draw.graph import NetGraph, in_phase
from caffe_sdk.draw.labels import choose_color_by_layertype, get_edge_label, get_layer_label
from caffe_sdk.draw.picture import BLOB, IN_PLACE, LAYER
from caffe_sdk.errors import DeviceError

BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
NEURON_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}


def to_dot(graph: NetGraph, rankdir: str) -> str:
    """The graph in Graphviz' language, to be given to ``dot``."""
    lines = [f"digraph {_quoted(graph.name)} {{", f'rankdir="{rankdir}"; node [style="filled"];']
    for i, node in enumerate(graph.nodes):
        shape, color = ("octagon", BLOB) if node.is_blob else ("box", LAYER)
        lines.append(f'n{i} [label={_quoted(*node.words)} shape="{shape}" fillcolor="{color}"];')
        for j, other in enumerate(node.in_place):
            lines.append(f'n{i}_{j} [label={_quoted(*other.words)} shape="box" fillcolor="{IN_PLACE}"];')
            lines.append(f'n{i} -> n{i}_{j} [dir="both"];')
    for edge in graph.edges:
        both = ' dir="both"' if edge.both else ""
        lines.append(f"n{edge.first} -> n{edge.second} [label={_quoted(edge.label)}{both}];")
    return "\n".join([*lines, "}\n"])


def _quoted(*words: str) -> str:
    """Lines as one string of Graphviz' language."""
    return '"' + "\\n".join(word.replace("\\", "\\\\").replace('"', '\\"') for word in words) + '"'


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """The net as a ``pydot.Dot``, in pycaffe's colours. Raises DeviceError where pydot is not installed."""
    try:
        import pydot
    except ImportError:
        remedy = "pip install pydot; draw_net and draw_net_to_file do without it"
        raise DeviceError("get_pydot_graph", "pydot is not installed", remedy) from None
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str, str]] = []
    for layer in caffe_net.layer:
        if phase is not None and not in_phase(layer, phase):
            continue
        name = f"{layer.name}_{layer.type}"
        in_place = len(layer.bottom) == 1 and list(layer.bottom) == list(layer.top)
        style = {"shape": "record", "fillcolor": choose_color_by_layertype(layer.type), "style": "filled"}
        nodes[name] = pydot.Node(get_layer_label(layer, rankdir, display_lrm), **(NEURON_STYLE if in_place else style))
        for blob in [*layer.bottom, *layer.top]:
            nodes.setdefault(f"{blob}_blob", pydot.Node(_quoted(blob), **BLOB_STYLE))
        edges += [(f"{blob}_blob", name, '""') for blob in layer.bottom]
        edges += [(name, f"{blob}_blob", get_edge_label(layer) if label_edges else '""') for blob in layer.top]
    graph = pydot.Dot(_quoted(caffe_net.name or "Net"), graph_type="digraph", rankdir=rankdir)
    for node in nodes.values():
        graph.add_node(node)
    for first, second, label in edges:
        graph.add_edge(pydot.Edge(nodes[first], nodes[second], label=label))
    return graph
