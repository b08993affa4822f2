"""Exchanging gradients while others are still computed: backward runs piece by piece, the last layers first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from caffe_sdk.memory import SyncedMemory
from caffe_sdk.net import Net
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.scaling import Scaling

PIECE = 16 * 2**20
"""Bytes of gradients at least: large enough for bandwidth, and few pieces let programs be long."""


@dataclass
class Piece:
    """Layers that run backward together, and the gradients that are whole then."""

    last: int
    first: int
    gradients: list[SyncedMemory] = field(default_factory=list)


def whole_at(net: Net, gradients: Sequence[SyncedMemory]) -> dict[int, list[SyncedMemory]]:
    """The gradients that are whole when a layer has run backward, by its index.

    One that layers share is whole when the first of them has run.
    """
    first_layer: dict[SyncedMemory, int] = {}
    for i, layer in enumerate(net.layers):
        for blob in layer.blobs:
            first_layer.setdefault(blob.diff_memory, i)
    found: dict[int, list[SyncedMemory]] = {}
    for memory in gradients:
        found.setdefault(first_layer[memory], []).append(memory)
    return found


def pieces(net: Net, gradients: Sequence[SyncedMemory], least: int | None = None) -> list[Piece]:
    """All layers of a net in pieces of ``least`` (PIECE) bytes of gradients, in the order in which backward runs."""
    least = PIECE if least is None else least
    whole = whole_at(net, gradients)
    found, nbytes = [Piece(len(net.layers) - 1, 0)], 0
    for i in reversed(range(len(net.layers))):
        found[-1].first = i
        found[-1].gradients += whole.get(i, [])
        nbytes += sum(memory.count * memory.dtype.itemsize for memory in whole.get(i, []))
        if nbytes >= least and i:
            found.append(Piece(i - 1, 0))
            nbytes = 0
    return found


def forward_backward(net: Net, peers: Alone, gradients: Sequence[SyncedMemory], scaling: Scaling) -> float:
    """One forward and one backward pass, after each piece of which its gradients begin to be averaged; the loss."""
    last = len(net.layers) - 1
    loss = net._forward(0, last)
    with scaling.backward():
        for piece in pieces(net, gradients):
            net._backward(piece.last, piece.first)
            peers.begin_average(piece.gradients)
    return loss
