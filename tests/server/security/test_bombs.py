"""Shapes that would take all memory: refused from the shapes alone, and others notice nothing."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, start
from tests.app.texts import NET, SOLVER
from tests.server.native.calls import calls, status

HUGE = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 536870912 } } }'  # 2 GiB
DEEP = """
layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 1 dim: 1 dim: 20000 dim: 20000 } } }
layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { num_output: 5 kernel_size: 1 } }
"""
BOMBS: dict[str, Callable[[SimpleNamespace, int], Any]] = {
    "an input": lambda stubs, net: stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=HUGE))),
    "a layer's output": lambda stubs, net: stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=DEEP))),
    "parameters": lambda stubs, net: stubs.CreateNet(
        pb.CreateNetRequest(model=pb.Model(text=NET.replace("num_output: 5", "num_output: 40000000")))
    ),
    "a solver": lambda stubs, net: stubs.CreateSolver(
        pb.CreateSolverRequest(model=pb.Model(text=SOLVER.replace("num_output: 3", "num_output: 60000000")))
    ),
    "a blob": lambda stubs, net: stubs.ReshapeBlob(
        pb.ReshapeBlobRequest(net=net, blob=pb.BlobReference(name="data"), shape=pb.Shape(dims=[2**14, 1, 2**8, 2**8]))
    ),
    "an upload": lambda stubs, net: stubs.UploadBlob(
        iter([pb.UploadBlobRequest(header=pb.BlobHeader(net=net, blob=pb.BlobReference(name="data"), shape=[2**29]))])
    ),
}


@pytest.fixture(scope="module")
def stubs() -> Iterator[SimpleNamespace]:
    with start(Options("127.0.0.1:0", grace=0)) as server, grpc.insecure_channel(server.address) as channel:
        yield calls(channel)


def peak() -> int:
    """The most memory this process has had, in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("bomb", BOMBS)
def test_shapes_of_2_gb_are_refused_before_anything_is_allocated(stubs: SimpleNamespace, bomb: str) -> None:
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net
    stubs.Forward(pb.ForwardRequest(net=net))
    before = peak()
    with pytest.raises(grpc.RpcError, match="this server's blobs have at most 2147483647") as caught:
        BOMBS[bomb](stubs, net)
    assert status(caught.value) == "RESOURCE_EXHAUSTED"
    assert peak() - before < 300_000
    assert stubs.Forward(pb.ForwardRequest(net=net)).outputs
    stubs.ReleaseNet(pb.ReleaseNetRequest(net=net))


def test_a_reshaped_net_is_refused_where_it_grows(stubs: SimpleNamespace) -> None:
    """The input is small enough; what comes of it is not."""
    wide = NET.replace("num_output: 3", "num_output: 64")
    net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=wide))).net
    blob = pb.BlobReference(name="data")
    stubs.ReshapeBlob(pb.ReshapeBlobRequest(net=net, blob=blob, shape=pb.Shape(dims=[1_000_000, 1, 6, 6])))
    before = peak()
    with pytest.raises(grpc.RpcError, match="this server's blobs have at most") as caught:
        stubs.Forward(pb.ForwardRequest(net=net))
    assert status(caught.value) == "RESOURCE_EXHAUSTED"
    assert peak() - before < 300_000
    stubs.ReshapeBlob(pb.ReshapeBlobRequest(net=net, blob=blob, shape=pb.Shape(dims=[2, 1, 6, 6])))
    assert stubs.Forward(pb.ForwardRequest(net=net)).outputs


def test_a_small_message_that_unpacks_to_a_large_one_is_refused() -> None:
    """8 MB of blanks are 8 KB on the wire."""
    request = pb.CreateNetRequest(model=pb.Model(text=" " * 2**23))
    options = Options("127.0.0.1:0", max_message=2**20, grace=0)
    with start(options) as server, grpc.insecure_channel(server.address) as channel:
        small = calls(channel)
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression):
            with pytest.raises(grpc.RpcError) as caught:
                small.CreateNet(request, compression=compression)
            assert status(caught.value) == "RESOURCE_EXHAUSTED"
        assert small.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET)), compression=grpc.Compression.Gzip).net
