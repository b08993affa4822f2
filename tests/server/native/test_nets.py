"""Nets over the wire: what the scenarios of tests/doors do not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from caffe_sdk.app.session import Session
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put_all, to_array
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.native import chunks, requests
from tests.app.texts import NET
from tests.server.native.calls import calls, status


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=0, max_message=200_000)) as server:
        yield server


@pytest.fixture
def stubs(server: RunningServer) -> Iterator[SimpleNamespace]:
    with grpc.insecure_channel(server.address, options=[("grpc.max_receive_message_length", 200_000)]) as channel:
        yield calls(channel)
    server.session.reset()


def upload(net: int, array: Any, size: int, name: str = "data", **header: Any) -> Iterator[Any]:
    """The messages that send an array in chunks of so many bytes."""
    data = array.tobytes()
    blob = pb.BlobReference(name=name)
    fields = {"net": net, "blob": blob, "shape": array.shape, **header}
    yield pb.UploadBlobRequest(header=pb.BlobHeader(**fields))
    for i in range(0, len(data), size):
        yield pb.UploadBlobRequest(data=data[i : i + size])


LARGE = 'layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 3 dim: 100000 } } }'


def test_values_beyond_a_message_go_in_chunks(stubs: SimpleNamespace, rng: np.random.Generator) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=LARGE))).net
    values = rng.random((3, 100_000), np.float32)
    whole = pb.ForwardRequest(net=net)
    put_all(whole.inputs, {"data": values})
    with pytest.raises(grpc.RpcError) as caught:
        stubs.Forward(whole)
    assert status(caught.value) == "RESOURCE_EXHAUSTED"
    stubs.UploadBlob(upload(net, values, 150_000))
    assert not stubs.Forward(pb.ForwardRequest(net=net, omit_outputs=True)).outputs
    got = list(stubs.DownloadBlob(pb.DownloadBlobRequest(net=net, blob=pb.BlobReference(name="data"), chunk=100_000)))
    assert list(got[0].shape) == [3, 100_000]
    assert len(got) == 12
    np.testing.assert_array_equal(np.frombuffer(b"".join(each.data for each in got), "<f4"), values.reshape(-1))


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (lambda net: iter(()), "the first message has no header"),
        (lambda net: iter([pb.UploadBlobRequest(data=b"1234")]), "the first message has no header"),
        (lambda net: upload(net, np.zeros((4, 1, 6, 6), "f4")[:3], 99), "do not fit shape"),
        (lambda net: upload(net, np.zeros((4, 1, 6, 6), "f4"), 99, shape=[4, 1, 6, 7]), "do not fit shape"),
        (lambda net: list(upload(net, np.zeros((4, 1, 6, 6), "f4"), 99))[:-1], "495 of 576 bytes came"),
        (lambda net: upload(net, np.zeros((8, 1, 6, 6), "f4"), 99, shape=[4, 1, 6, 6]), "more than 576 bytes came"),
        (lambda net: upload(net, np.zeros(4, "f4"), 99, type=77), "77 is no DataType"),
        (lambda net: upload(net, np.zeros(4, "f4"), 99, shape=[-1, 4]), "give sizes of 0 or more"),
        (lambda net: upload(net, np.zeros(4, "f4"), 99, part=9), "part: 9 is no value of it"),
        (lambda net: upload(net + 1, np.zeros((4, 1, 6, 6), "f4"), 99), "there is no net"),
        (lambda net: upload(net, np.zeros(4, "f4"), 99, shape=[2**40]), "takes 4398046511104 bytes"),
    ],
)
def test_uploads_that_make_no_sense_change_nothing(stubs: SimpleNamespace, messages: Any, words: str) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net
    stubs.UploadBlob(upload(net, np.ones((4, 1, 6, 6), "f4"), 99))
    with pytest.raises(grpc.RpcError, match=words):
        stubs.UploadBlob(iter(messages(net)))
    request = pb.GetBlobsRequest(net=net, blobs=[pb.BlobReference(name="data")])
    assert to_array(stubs.GetBlobs(request).tensors[0]).min() == 1


def test_weights_go_in_chunks(stubs: SimpleNamespace) -> None:
    one, other = (stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net for _ in range(2))
    data = b"".join(each.data for each in stubs.DownloadWeights(pb.GetWeightsRequest(net=one)))
    assert data == stubs.GetWeights(pb.GetWeightsRequest(net=one)).data
    parts = (pb.UploadWeightsRequest(data=data[i : i + 100]) for i in range(0, len(data), 100))
    loaded = stubs.UploadWeights(chain([pb.UploadWeightsRequest(net=other)], parts))
    assert list(loaded.layers) == ["conv", "score"]
    assert stubs.GetWeights(pb.GetWeightsRequest(net=other)).data == data
    with pytest.raises(grpc.RpcError, match="no message came"):
        stubs.UploadWeights(iter(()))


def test_large_weights_are_cut() -> None:
    assert [each.data for each in chunks.cut_bytes(b"12345", 2)] == [b"12", b"34", b"5"]
    assert [len(each.data) for each in chunks.cut(np.zeros((0, 3), np.float32), 8)] == [0]


def test_weights_are_shared(stubs: SimpleNamespace) -> None:
    one, other = (stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net for _ in range(2))
    stubs.ShareWeights(pb.ShareWeightsRequest(net=other, source=one))
    stubs.ShareWeights(pb.ShareWeightsRequest(net=one, source=one))
    weights = pb.BlobReference(parameter=pb.Parameter(layer="score", index=1))
    values = pb.Tensor(shape=[5], data=np.arange(5, dtype="<f4").tobytes())
    stubs.SetBlobs(pb.SetBlobsRequest(net=one, blobs=[pb.BlobValues(blob=weights, values=values)]))
    seen = stubs.GetBlobs(pb.GetBlobsRequest(net=other, blobs=[weights])).tensors[0]
    np.testing.assert_array_equal(to_array(seen), np.arange(5))
    with pytest.raises(grpc.RpcError, match="there is no net"):
        stubs.ShareWeights(pb.ShareWeightsRequest(net=one, source=1))


def test_gradients_are_cleared_and_left_out(stubs: SimpleNamespace) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net
    diffs = pb.BackwardRequest(net=net, omit_diffs=True, blobs=["score"])
    stubs.Forward(pb.ForwardRequest(net=net))
    put_all(diffs.diffs, {"prob": np.eye(4, 5)})
    assert [each.name for each in stubs.Backward(diffs).diffs] == ["score"]
    bias = pb.GetBlobsRequest(
        net=net, part=pb.PART_DIFF, blobs=[pb.BlobReference(parameter=pb.Parameter(layer="score", index=1))]
    )
    assert np.abs(to_array(stubs.GetBlobs(bias).tensors[0])).max() > 0
    stubs.ClearParamDiffs(pb.ClearParamDiffsRequest(net=net))
    assert np.abs(to_array(stubs.GetBlobs(bias).tensors[0])).max() == 0


def test_layers_are_told_as_prototxt(stubs: SimpleNamespace) -> None:
    described = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET)))
    texts = {layer.name: layer.prototxt for layer in described.layers}
    assert "kernel_size: 3" in texts["conv"]
    assert "blobs" not in texts["conv"]
    again = "\n".join(f"layer {{ {layer.prototxt} }}" for layer in described.layers)
    assert Session().create_net(text=again)


def test_words_of_requests() -> None:
    assert requests.place_of(("conv", 1)) == "blob 1 of layer 'conv'"
