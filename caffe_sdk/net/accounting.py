"""How many bytes a net takes: what its plan says before anything is allocated, and what is allocated.

The two agree once the net has run forward, and in the phase TRAIN backward, and nobody has looked at blobs between.
Not counted are what NumPy takes while an operation is computed, batches that sources of data have made ahead, and a
solver's history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from caffe_sdk.graph import Graph
from caffe_sdk.graph.summary import totals
from caffe_sdk.memory import HOST, Place, SyncedMemory
from caffe_sdk.net.execution import Executor
from caffe_sdk.net.parts import Parts
from caffe_sdk.schema.messages import TRAIN

Places = dict[SyncedMemory, set[Place]]


@dataclass(frozen=True)
class Memory:
    """Bytes a net takes, on the host and in the layouts of its engine together. Printed it is a table."""

    parameters: int
    """Of weights and biases."""
    activations: int
    """Of the values of blobs; those that one buffer holds after each other are counted with it, once."""
    gradients: int
    """Of the gradients of blobs and parameters."""
    workspace: int
    """Of what only the layers and the engine know: masks, scratch memory."""

    @property
    def total(self) -> int:
        """All together."""
        return self.parameters + self.activations + self.gradients + self.workspace

    def __str__(self) -> str:
        return "\n".join(totals({**asdict(self), "together": self.total}))


def planned(graph: Graph, parts: Parts, executor: Executor) -> Memory:
    """What the net will take once it has run; its programs are made for that, and nothing is allocated."""
    backward = graph.phase == TRAIN
    programs = executor.plan(backward)
    places: Places = {memory: set(memory.places) for memory in parts.memories()}
    for program in programs:
        for memory, place in program.needs():
            places.setdefault(memory, set()).add(place)
    for memory in _on_host(graph, parts, backward):
        places.setdefault(memory, set()).add(HOST)
    _first_values(parts, places)
    return _sum(graph, parts, places, [(p.nbytes, p.scratch) for p in programs])


def allocated(graph: Graph, parts: Parts, executor: Executor) -> Memory:
    """What the net takes now."""
    programs = executor.programs()
    memories = dict.fromkeys([*parts.memories(), *(memory for p in programs for memory, _ in p.needs())])
    places = {memory: set(memory.places) for memory in memories}
    return _sum(graph, parts, places, [(p.allocated(), min(p.scratch, p.allocated())) for p in programs])


def _on_host(graph: Graph, parts: Parts, backward: bool) -> Iterable[SyncedMemory]:
    """What users and layers look at on the host, or write there."""
    seen = {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        if node.layer.on_host:
            seen |= {*node.bottoms, *node.tops}
            if backward and node.needs:
                yield from (parts.blobs[i].diff_memory for i in (*node.bottoms, *node.tops))
    yield from (parts.blobs[i].data_memory for i in sorted(seen))
    if backward:
        yield from (parts.blobs[i].diff_memory for i in graph.inputs)


def _first_values(parts: Parts, places: Places) -> None:
    """Parameters come from the host, where some are kept."""
    for parameter in parts.parameters:
        memory = parameter.data_memory
        found = places[memory]
        elsewhere = any(place is not HOST and not place.derived and not place.rounds for place in found)
        if found and not (elsewhere and memory.held_once):
            found.add(HOST)


def _sum(graph: Graph, parts: Parts, places: Places, programs: Iterable[tuple[int, int]]) -> Memory:
    """Bytes by kind; of each program those for itself, and how many of them are scratch memory."""
    kinds = {blob.diff_memory: "gradients" for blob in (*parts.blobs, *parts.parameters)}
    kinds.update((blob.data_memory, "activations") for blob in parts.blobs)
    kinds.update((blob.data_memory, "parameters") for blob in parts.parameters)
    found = dict.fromkeys(("parameters", "activations", "gradients", "workspace"), 0)
    for memory, where in places.items():
        found[kinds.get(memory, "workspace")] += sum(map(memory.nbytes, where))
    for nbytes, scratch in programs:
        found["workspace"] += scratch
        found["activations"] += nbytes - scratch
    return Memory(**found)
