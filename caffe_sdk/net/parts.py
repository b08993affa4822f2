"""The blobs and parameters a graph asks for, and how they follow when an input takes another shape."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from caffe_sdk import fillers, rng
from caffe_sdk.blob import Blob
from caffe_sdk.errors import ShapeError
from caffe_sdk.graph import Graph, Node, PlannedParameter, top_shapes_of
from caffe_sdk.layers import Layer
from caffe_sdk.memory import HOST, Array, Shape, SyncedMemory
from caffe_sdk.schema.messages import TEST


@dataclass(frozen=True)
class Learnable:
    """A parameter that a solver trains, once however many layers share it."""

    blob: Blob
    layer: str
    index: int
    lr_mult: float
    decay_mult: float


class Parts:
    """Blobs and parameters of a graph, all of one type. Parameters get their first values when somebody looks."""

    def __init__(self, graph: Graph, generator: rng.Generator, dtype: npt.DTypeLike = np.float32) -> None:
        self.graph = graph
        self.dtype = dtype
        self.blobs = [Blob(b.shape, dtype, b.name) for b in graph.blobs]
        self.parameters = [self._parameter(p, generator) for p in graph.parameters]
        for i, planned in enumerate(graph.parameters):
            if planned.owner != i:
                self.parameters[i].share_data(self.parameters[planned.owner])
                self.parameters[i].share_diff(self.parameters[planned.owner])
        for node in graph.nodes:
            node.layer.blobs = [self.parameters[p] for p in node.parameters]
            self._reshape(node)
            self._begin_loss(node.tops, node.loss_weights)
        self._seen = [self._sees(node) for node in graph.nodes]

    def learnable(self) -> list[Learnable]:
        """The parameters a solver trains: those that own their memory."""
        return [
            Learnable(
                self.parameters[i],
                self.graph.nodes[p.layer].layer.name,
                p.index,
                1.0 if p.lr_mult is None else p.lr_mult,
                1.0 if p.decay_mult is None else p.decay_mult,
            )
            for i, p in enumerate(self.graph.parameters)
            if p.owner == i
        ]

    def memories(self) -> list[SyncedMemory]:
        """Every memory of the net, shared ones once, in a fixed order."""
        every = (m for blob in (*self.blobs, *self.parameters) for m in (blob.data_memory, blob.diff_memory))
        return list(dict.fromkeys(every))

    def follow(self, first: int) -> bool:
        """Infer shapes anew from layer ``first`` on; says whether anything changed.

        Layers without bottoms keep what their tops were given. Raises the ModelErrors of shapes that do not fit.
        """
        changed = False
        for index, node in enumerate(self.graph.nodes[first:], first):
            seen = self._sees(node)
            if self._seen[index] == seen:  # nothing to follow, and a layer's own buffers are part of programs
                continue
            self._seen[index] = seen
            changed = True
            shapes = [self.blobs[b].shape for b in node.bottoms]
            tops = top_shapes_of(node.layer, shapes)
            _check_parameters(node.layer, [p.shape for p in node.layer.parameters(shapes)])
            for top, shape, weight in zip(node.tops, tops, node.loss_weights, strict=True):
                if self.blobs[top].shape != shape:
                    self.blobs[top].reshape(*shape)
                    self._begin_loss([top], [weight])
            self._reshape(node)
        return changed

    def release(self) -> None:
        """Let every memory go; blobs keep their shapes."""
        for blob in (*self.blobs, *self.parameters):
            blob.data_memory, blob.diff_memory = (SyncedMemory(blob.count, blob.dtype) for _ in range(2))

    def _parameter(self, planned: PlannedParameter, generator: rng.Generator) -> Blob:
        layer = self.graph.nodes[planned.layer].layer
        blob = Blob(planned.shape, self.dtype, f"{layer.name}[{planned.index}]")
        fillers.check(planned.filler, planned.shape, layer.where)
        (own,) = generator.spawn(1)  # one each, so that values do not depend on who is looked at first
        blob.data_memory.begin_with(functools.partial(_fill, planned=planned, generator=own, where=layer.where))
        blob.data_memory.held_once = self.graph.phase == TEST  # trained weights go to and fro too often
        return blob

    def _begin_loss(self, tops: Sequence[int], loss_weights: Sequence[float]) -> None:
        """As in Caffe a loss blob's diff holds its weight."""
        for top, weight in zip(tops, loss_weights, strict=True):
            if weight:
                self.blobs[top].diff_memory.write(HOST)[...] = weight

    def _reshape(self, node: Node) -> None:
        node.layer.reshape([self.blobs[b] for b in node.bottoms], [self.blobs[t] for t in node.tops])
        for bottom in node.passes:
            self.blobs[bottom].share_diff(self.blobs[node.tops[0]])

    def _sees(self, node: Node) -> list[tuple[Shape, int]]:
        """What a layer's shapes and buffers depend on."""
        seen = [self.blobs[b] for b in node.bottoms] + [self.parameters[p] for p in node.parameters]
        return [(blob.shape, id(blob.data_memory)) for blob in seen]


def _check_parameters(layer: Layer, wanted: Sequence[Shape]) -> None:
    for blob, shape in zip(layer.blobs, wanted, strict=True):
        if blob.shape != shape:
            raise ShapeError(
                layer.where,
                f"the new input wants parameters of shape {shape}, the net has {blob.shape}",
                "reshape axes that no parameter depends on, such as the batch",
            )


def _fill(flat: Array, planned: PlannedParameter, generator: rng.Generator, where: str) -> None:
    fillers.fill(flat[: math.prod(planned.shape)].reshape(planned.shape), planned.filler, generator, where)
