"""Backward in pieces: every gradient is in the piece in which it becomes whole."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.memory import HOST
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter
from caffe_sdk.solver import overlap
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.scaling import Scaling
from tests.solver.test_gpus import NET


@pytest.fixture
def net(monkeypatch):
    monkeypatch.setenv("CAFFE_ENGINE", "reference")
    with Net(prototxt.parse(NET.format(batch=2), NetParameter), "train") as net:
        net.blobs["data"].data[...] = np.arange(12).reshape(2, 6)
        yield net


def gradients(net):
    return [p.blob.diff_memory for p in net.learnable if p.lr_mult]


def named(net, piece):
    names = {p.blob.diff_memory: f"{p.layer}/{p.index}" for p in net.learnable}
    return piece.last, piece.first, sorted(names[memory] for memory in piece.gradients)


def test_a_shared_gradient_is_whole_at_the_first_layer(net):
    found = overlap.pieces(net, gradients(net), least=1)
    assert [named(net, piece) for piece in found] == [
        (6, 5, ["ip3/0", "ip3/1"]),
        (4, 2, ["ip1/0", "ip1/1"]),
        (1, 0, []),
    ]


def test_pieces_are_as_large_as_asked_for(net):
    (piece,) = overlap.pieces(net, gradients(net))
    assert named(net, piece) == (6, 0, ["ip1/0", "ip1/1", "ip3/0", "ip3/1"])


def test_gradients_are_those_of_one_pass_backward(net, monkeypatch):
    begun = []

    class Peers(Alone):
        def begin_average(self, gradients):
            begun.append([np.array(memory.read(HOST)) for memory in gradients])

    net.clear_param_diffs()
    loss = net.forward_backward()
    whole = {memory: np.array(memory.read(HOST)) for memory in gradients(net)}
    net.clear_param_diffs()
    monkeypatch.setattr(overlap, "PIECE", 1)
    assert overlap.forward_backward(net, Peers(), gradients(net), Scaling(net)) == loss
    assert [len(some) for some in begun] == [2, 2, 0]
    for piece, some in zip(overlap.pieces(net, gradients(net), 1), begun, strict=True):
        for memory, values in zip(piece.gradients, some, strict=True):
            np.testing.assert_array_equal(values, whole[memory])
