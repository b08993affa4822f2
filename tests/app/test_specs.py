"""NetSpecs told as plain values give what NetSpec gives."""

from __future__ import annotations

import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.app.specs import SpecLayer, SpecTop, proto_of
from caffe_sdk.errors import ArgumentError

LAYERS = [
    SpecLayer("DummyData", params={"shape": [{"dim": [2, 3]}, {"dim": 2}], "ntop": 2}),
    SpecLayer("InnerProduct", [(0, 0)], {"num_output": 4}),
    SpecLayer("SoftmaxWithLoss", [(1, 0), (0, 1)]),
    SpecLayer("Silence", [(1, 0)], {"ntop": 0}),
]
TOPS = [SpecTop("data", 0, 0), SpecTop("label", 0, 1), SpecTop("loss", 2, 0), SpecTop("quiet", 3, -1)]


def test_it_is_what_netspec_gives() -> None:
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(shape=[{"dim": [2, 3]}, {"dim": 2}], ntop=2)
    scores = L.InnerProduct(n.data, num_output=4)
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    n.quiet = L.Silence(scores, ntop=0)
    assert str(proto_of(LAYERS, TOPS)) == str(n.to_proto())


@pytest.mark.parametrize("inputs", [[(5, 0)], [(0, 7)], [(-1, 0)]])
def test_numbers_that_name_nothing(inputs: list[tuple[int, int]]) -> None:
    with pytest.raises(ArgumentError, match="takes from one that is not there"):
        proto_of([*LAYERS, SpecLayer("ReLU", inputs)], [*TOPS, SpecTop("relu", 4, 0)])
