"""The numbers that a net puts out, and sums of them over batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST
from caffe_sdk.net import Net
from caffe_sdk.solver.events import Output


def outputs_of(net: Net) -> Iterator[Output]:
    """Every number of a net's output blobs, with its blob's name and weight in the loss."""
    weights = net.blob_loss_weights
    for name in net.outputs:
        blob = net.blobs[name]
        for value in blob.data_memory.read(HOST)[: blob.count].tolist():
            yield Output(name, value, weights[name])


def added(sums: Sequence[Output], outputs: Sequence[Output]) -> list[Output]:
    """Sums of a test so far (nothing at its beginning) and the outputs of one more batch, number by number.

    SolverError when the batch put out another number of numbers than those before.
    """
    if sums and len(sums) != len(outputs):
        raise SolverError(
            "test",
            f"the test net put out {len(sums)} numbers for one batch and {len(outputs)} for another",
            "means are taken number by number: use test data of one shape",
        )
    return [Output(o.name, o.value + (sums[i].value if sums else 0.0), o.loss_weight) for i, o in enumerate(outputs)]
