"""Split layers: a blob that several layers use, or a layer and the loss, gets one copy per use.

Their gradients add up in the split's backward. Names are Caffe's: ``{blob}_{layer}_{index}_split``.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

from caffe_sdk.errors import GraphError
from caffe_sdk.graph.state import without_layers
from caffe_sdk.schema.messages import LayerParameter

Top = tuple[int, int]
"""A top: index of its layer, index among the layer's tops."""


def insert_splits(net: Any) -> Any:
    """A copy of a filtered NetParameter with split layers where they are needed."""
    sources, uses, weights = _uses(net)
    split = without_layers(net)
    taken: Counter[Top] = Counter()
    for i, layer in enumerate(net.layer):
        kept = split.layer.add()
        kept.CopyFrom(layer)
        for j, blob in enumerate(layer.bottom):
            top = sources[i, j]
            if uses[top] > 1:
                kept.bottom[j] = f"{_split_name(net.layer[top[0]].name, blob, top[1])}_{taken[top]}"
                taken[top] += 1
        for j, blob in enumerate(layer.top):
            top = (i, j)
            if uses[top] > 1:
                split.layer.add().CopyFrom(_split_layer(layer.name, blob, j, uses[top], weights[top], layer.phase))
                if weights[top]:
                    del kept.loss_weight[:]
                    taken[top] += 1  # the loss takes the first copy
    return split


def _uses(net: Any) -> tuple[dict[tuple[int, int], Top], Counter[Top], defaultdict[Top, float]]:
    """For every bottom the top it comes from; for every top how often it is used, and its weight in the loss."""
    latest: dict[str, Top] = {}
    sources: dict[tuple[int, int], Top] = {}
    uses: Counter[Top] = Counter()
    weights: defaultdict[Top, float] = defaultdict(float)
    for i, layer in enumerate(net.layer):
        for j, blob in enumerate(layer.bottom):
            if blob not in latest:
                raise unknown_bottom(net, blob, layer.name, j)
            sources[i, j] = latest[blob]
            uses[latest[blob]] += 1
        for j, blob in enumerate(layer.top):
            latest[blob] = (i, j)
        for j in range(min(len(layer.loss_weight), len(layer.top))):
            top = latest[layer.top[j]]
            weights[top] = layer.loss_weight[j]
            uses[top] += bool(layer.loss_weight[j])
    return sources, uses, weights


def unknown_bottom(net: Any, blob: str, layer: str, index: int) -> GraphError:
    """The error of a bottom nobody makes, saying who makes it later if somebody does."""
    makers = [other.name for other in net.layer if blob in other.top]
    if makers:
        remedy = f"it is made by layer '{makers[0]}', which must stand before"
    else:
        earlier = itertools.takewhile(lambda other: other.name != layer, net.layer)
        known = [top for other in earlier for top in other.top]
        remedy = f"make it the top of an earlier layer; there are {', '.join(dict.fromkeys(known)) or 'none'}"
    return GraphError("", f"Unknown bottom blob '{blob}' (layer '{layer}', bottom index {index})", remedy)


def _split_name(layer: str, blob: str, index: int) -> str:
    return f"{blob}_{layer}_{index}_split"


def _split_layer(layer: str, blob: str, index: int, count: int, weight: float, phase: int) -> Any:
    name = _split_name(layer, blob, index)
    config = LayerParameter(name=name, type="Split", bottom=[blob], phase=phase)
    config.top.extend(f"{name}_{k}" for k in range(count))
    if weight:
        config.loss_weight.extend([weight] + [0.0] * (count - 1))
    return config
