"""Who needs gradients: from parameters that learn forward to the blobs they reach, from the losses back.

The rules are Caffe's: a layer runs backward when something it depends on learns and the loss depends on it;
``propagate_down`` and ``force_backward`` override per bottom and for the whole net.
"""

from __future__ import annotations

from collections import Counter

from caffe_sdk.graph.model import Graph, Node


def decide_gradients(graph: Graph) -> None:
    """Set `Node.needs`, `Node.bottom_needs`, `Node.passes`, `PlannedBlob.needs` and each layer's ``param_needs``."""
    for node in graph.nodes:
        _reach_forward(graph, node)
    _reach_back(graph)
    if graph.config.force_backward:
        _force(graph)
    _pass_on(graph)


def _reach_forward(graph: Graph, node: Node) -> None:
    """A blob needs a gradient when what made it learns, or needs one itself."""
    below = [graph.blobs[b].needs for b in node.bottoms]
    wanted = list(node.layer.config.propagate_down)
    node.bottom_needs = wanted or below
    node.needs = any(below) or any(graph.parameters[p].needs for p in node.parameters)
    if node.needs:
        for top in node.tops:
            graph.blobs[top].needs = True


def _reach_back(graph: Graph) -> None:
    """Backward stops at layers the loss does not depend on, and below bottoms nothing is propagated to."""
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for node in reversed(graph.nodes):
        tops = [graph.blobs[t].name for t in node.tops]
        contributes = any(w or name in under_loss for w, name in zip(node.loss_weights, tops, strict=True))
        if node.needs and all(name in skipped for name in tops):
            node.needs = False
            node.bottom_needs = [False] * len(node.bottoms)
        if not contributes:
            node.needs = False
            node.bottom_needs = [False] * len(node.bottoms)
        for bottom, needs in zip(node.bottoms, node.bottom_needs, strict=True):
            name = graph.blobs[bottom].name
            if contributes:
                under_loss.add(name)
            if not needs:
                skipped.add(name)


def _force(graph: Graph) -> None:
    """``force_backward``: everything runs backward, save to bottoms such as labels."""
    for node in graph.nodes:
        node.needs = True
        for j, bottom in enumerate(node.bottoms):
            node.bottom_needs[j] = node.bottom_needs[j] or node.layer.can_force_backward(j)
            graph.blobs[bottom].needs = graph.blobs[bottom].needs or node.bottom_needs[j]
        for p in node.parameters:
            graph.parameters[p].needs = True
        node.layer.param_needs = [True] * len(node.parameters)


def _pass_on(graph: Graph) -> None:
    """A gradient that is another's, number by number, is not copied for a Split, which only reads it to add it up."""
    made = Counter(top for node in graph.nodes for top in node.tops)
    of_splits = {top for node in graph.nodes if node.layer.type == "Split" for top in node.tops if made[top] == 1}
    for node in graph.nodes:
        needed = (j for j, needs in enumerate(node.bottom_needs) if needs and node.layer.passes_gradient(j))
        node.passes = [node.bottoms[j] for j in needed if node.bottoms[j] in of_splits]
