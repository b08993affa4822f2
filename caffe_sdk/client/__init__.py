"""Client of a caffe_sdk server: nets, solvers and models that live there, with the verbs of pycaffe.

    from caffe_sdk import client
    with client.connect("127.0.0.1:50051") as server:
        net = server.net(Path("deploy.prototxt"), "test", weights="lenet.caffemodel")
        probabilities = net.forward(data=images)["prob"]

What differs from a net in one's own process: arrays are copies. ``net.blobs["data"].data`` fetches one, read-only so
that nobody writes into it in vain; assign a whole array to send it.

`caffe_sdk.client.aio` has the same verbs for asyncio. Both need gRPC, protobuf and NumPy only, no engine. They raise
the errors that were raised on the server, with their words, and BridgeError when the server cannot be reached or does
not answer.
"""

from __future__ import annotations

from caffe_sdk.client.channel import Security
from caffe_sdk.client.connection import Client, connect
from caffe_sdk.client.files import ServerFile
from caffe_sdk.client.models import RemoteModels
from caffe_sdk.client.net import RemoteBlob, RemoteLayer, RemoteNet
from caffe_sdk.client.solver import RemoteSolver

__all__ = [
    "Client",
    "RemoteBlob",
    "RemoteLayer",
    "RemoteModels",
    "RemoteNet",
    "RemoteSolver",
    "Security",
    "ServerFile",
    "connect",
]
