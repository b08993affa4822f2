"""How many bytes nets and solvers take as their shapes stand, whether or not anything has computed with them."""

from __future__ import annotations

from typing import NamedTuple

from caffe_sdk.net import Net
from caffe_sdk.solver import Solver

BYTES = 4  # of a number


class Size(NamedTuple):
    """Bytes of values and gradients together, and which blob is the largest with how many bytes of values."""

    total: int
    largest: str
    largest_bytes: int


def size_of_net(net: Net) -> Size:
    """A net's blobs and parameters. Blobs that share memory count each: it is what they would take at most."""
    named = [*net.blobs.items(), *((name, blob) for name, blobs in net.params.items() for blob in blobs)]
    counts = [(blob.count * BYTES, name) for name, blob in named]
    largest_bytes, largest = max(counts, default=(0, ""))
    return Size(2 * sum(nbytes for nbytes, _ in counts), largest, largest_bytes)


def size_of_solver(solver: Solver) -> Size:
    """A solver's nets, test nets with parameters of their own, and the histories of its updates."""
    sizes = [size_of_net(net) for net in (solver.net, *solver.test_nets)]
    history = solver.rule.histories * sum(p.blob.count for p in solver.net.learnable) * BYTES
    largest = max(sizes, key=lambda size: size.largest_bytes)
    return Size(history + sum(size.total for size in sizes), largest.largest, largest.largest_bytes)
