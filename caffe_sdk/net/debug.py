"""What ``debug_info`` tells: mean absolute values of blobs and parameters as a net runs, in Caffe's words."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.graph import Node
from caffe_sdk.layers import Layer
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.net.parts import Learnable

log = logging.getLogger(__name__)


def forward_lines(node: Node, blobs: Sequence[Blob]) -> Iterator[str]:
    """A layer ran forward: its tops and parameters."""
    for top in node.tops:
        yield f"    [Forward] Layer {node.layer.name}, top blob {blobs[top].name} data: {_mean(blobs[top].data_memory)}"
    for name, blob in _parameters(node):
        yield f"    [Forward] Layer {node.layer.name}, param blob {name} data: {_mean(blob.data_memory)}"


def backward_lines(node: Node, blobs: Sequence[Blob]) -> Iterator[str]:
    """A layer ran backward: the gradients it made."""
    if not node.needs:
        return
    for bottom, needs in zip(node.bottoms, node.bottom_needs, strict=True):
        if needs:
            blob = blobs[bottom]
            yield f"    [Backward] Layer {node.layer.name}, bottom blob {blob.name} diff: {_mean(blob.diff_memory)}"
    for (name, blob), needs in zip(_parameters(node), node.layer.param_needs, strict=True):
        if needs:
            yield f"    [Backward] Layer {node.layer.name}, param blob {name} diff: {_mean(blob.diff_memory)}"


def sizes(learnable: Sequence[Learnable]) -> list[str]:
    """The parameters' mean absolute values, for `update_lines` to tell when they have changed."""
    return [_mean(each.blob.data_memory) for each in learnable]


def update_lines(layers: Mapping[str, Layer], learnable: Sequence[Learnable], before: Sequence[str]) -> Iterator[str]:
    """A solver updated the parameters: what they were ``before``, and what was taken from them."""
    for each, data in zip(learnable, before, strict=True):
        name, diff = _display_name(layers[each.layer], each.index), _mean(each.blob.diff_memory)
        yield f"    [Update] Layer {each.layer}, param {name} data: {data}; diff: {diff}"


def total_line(parameters: Sequence[Blob]) -> str:
    """The whole net ran backward: norms over all parameters."""
    datas, diffs = ([_host(m) for m in each] for each in zip(*_memories(parameters), strict=True))
    l1 = [sum(float(np.abs(a).sum(dtype=np.float64)) for a in arrays) for arrays in (datas, diffs)]
    l2 = [math.sqrt(sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays)) for arrays in (datas, diffs)]
    return (
        "    [Backward] All net params (data, diff): "
        f"L1 norm = ({l1[0]:g}, {l1[1]:g}); L2 norm = ({l2[0]:g}, {l2[1]:g})"
    )


def write(lines: Iterator[str]) -> None:
    """Log lines."""
    for line in lines:
        log.info(line)


def _parameters(node: Node) -> list[tuple[str, Blob]]:
    return [(_display_name(node.layer, i), blob) for i, blob in enumerate(node.layer.blobs)]


def _display_name(layer: Layer, index: int) -> str:
    """What a layer's parameter is called: the name its ParamSpec gives, or its number."""
    specs = layer.config.param
    return specs[index].name if index < len(specs) and specs[index].name else str(index)


def _memories(parameters: Sequence[Blob]) -> list[tuple[SyncedMemory, SyncedMemory]]:
    return [(blob.data_memory, blob.diff_memory) for blob in parameters]


def _host(memory: SyncedMemory) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
    return np.asarray(memory.read(HOST)[: memory.count])


def _mean(memory: SyncedMemory) -> str:
    values = _host(memory)
    return f"{float(np.abs(values).mean(dtype=np.float64)) if values.size else 0.0:g}"
