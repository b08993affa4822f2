"""In-place hazards: values that are overwritten before everybody has seen them.

What layers tell an engine says which memories they read and write, and when. So nothing is known here about types of
layers: the calls are recorded, and nothing is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast

from caffe_sdk.app.check.rules import Found, rule
from caffe_sdk.app.check.subject import WARNING, Subject
from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.engine.operation import Call, Recorder
from caffe_sdk.graph import Node
from caffe_sdk.memory import SyncedMemory


@rule("in_place")
def in_place(subject: Subject) -> Found:
    """Layers that change in place what another layer reads later, in its forward or for its gradient."""
    if subject.built is None:
        return
    watch = _Watch(subject.built._blobs, subject.built.graph.nodes)
    for reader, blob, writer in watch.forward():
        what = f"changes '{blob}' in place, which '{reader.layer.name}' reads afterwards"
        yield writer.layer.name, what, "give its top a name of its own", WARNING
    for reader, blob, writer in watch.backward():
        what = f"changes '{blob}' in place, and '{reader.layer.name}' needs the earlier values for its gradient"
        yield writer.layer.name, what, "give its top a name of its own", WARNING


Hazard = tuple[Node, str, Node]
"""Who reads, which blob, and who has changed it."""


HARMLESS = {"ReLU": ("Dropout", "ReLU")}
"""Layers whose gradient depends on signs alone, and those that keep them where a gradient passes."""


class _Watch:
    """Who wrote each memory, in order, as layers run forward."""

    def __init__(self, blobs: list[Blob], nodes: list[Node]) -> None:
        self.blobs, self.nodes = blobs, nodes
        self.writers: defaultdict[SyncedMemory, list[Node]] = defaultdict(list)
        self.seen: list[dict[SyncedMemory, int]] = []
        """For each layer how often what it read or wrote had been written when it was done."""

    def forward(self) -> Iterator[Hazard]:
        """Values that somebody changed through another name, behind the blob's maker and before a layer reads them."""
        made: dict[int, int] = {}
        for node in self.nodes:
            bottoms = [(b, self.blobs[b].data_memory) for b in node.bottoms]
            for b, memory in bottoms:
                for writer in self.writers[memory][made.get(b, 0) :]:
                    yield node, self.blobs[b].name, writer
            written = self._written(node)
            for memory in written:
                self.writers[memory].append(node)
            made.update((top, len(self.writers[self.blobs[top].data_memory])) for top in node.tops)
            self.seen.append({memory: len(self.writers[memory]) for memory in (*written, *(m for _, m in bottoms))})

    def backward(self) -> Iterator[Hazard]:
        """Values that a layer saw in forward and reads for its gradient, and that were changed in between."""
        names = {blob.data_memory: blob.name for blob in reversed(self.blobs)}
        for node, seen in zip(self.nodes, self.seen, strict=True):
            if not node.needs or node.layer.on_host:
                continue
            for memory in dict.fromkeys(tensor.memory for call in self._calls(node, True) for tensor in call.reads()):
                later = self.writers[memory][seen[memory] :] if memory in names and memory in seen else []
                harmless = HARMLESS.get(node.layer.type, ())
                if any(writer.layer.type not in harmless for writer in later):
                    yield node, names[memory], later[0]

    def _written(self, node: Node) -> list[SyncedMemory]:
        """The memories a layer writes in forward."""
        if node.layer.on_host:
            return [self.blobs[top].data_memory for top in node.tops]
        return [tensor.memory for call in self._calls(node, False) for tensor in call.writes()]

    def _calls(self, node: Node, backward: bool) -> list[Call]:
        recorder = Recorder()
        engine: Engine = cast(Any, recorder)
        bottoms, tops = [self.blobs[b] for b in node.bottoms], [self.blobs[t] for t in node.tops]
        if backward:
            node.layer.backward(engine, tops, node.bottom_needs, bottoms)
        else:
            node.layer.forward(engine, bottoms, tops)
        return recorder.calls
