"""What a net puts out, number by number, and sums over batches."""

from __future__ import annotations

import pytest

import caffe_sdk as caffe
from caffe_sdk.errors import SolverError
from caffe_sdk.solver.events import Output
from caffe_sdk.solver.outputs import added, outputs_of
from tests.net.models import classifier


def test_every_number_of_every_output() -> None:
    net = classifier(caffe.TRAIN)
    net.forward()
    assert list(outputs_of(net)) == [Output("loss", float(net.blobs["loss"].data), 1.0)]
    tested = classifier(caffe.TEST)
    tested.forward()
    found = list(outputs_of(tested))
    assert [output.name for output in found] == ["label"] * 4 + ["prob"] * 20
    assert sum(output.value for output in found[4:]) == pytest.approx(4, rel=1e-5)


def test_sums_are_taken_number_by_number() -> None:
    batch = [Output("a", 1.0, 0.0), Output("b", 2.0, 1.0)]
    assert added([], batch) == batch
    assert added(batch, batch) == [Output("a", 2.0, 0.0), Output("b", 4.0, 1.0)]
    with pytest.raises(SolverError, match="put out 2 numbers for one batch and 1 for another"):
        added(batch, batch[:1])
