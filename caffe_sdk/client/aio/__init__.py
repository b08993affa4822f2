"""The client for asyncio: the verbs of `caffe_sdk.client`, to be awaited.

    from caffe_sdk.client import aio
    async with await aio.connect("127.0.0.1:50051") as server:
        net = await server.net(Path("deploy.prototxt"), "test", weights="lenet.caffemodel")
        probabilities = (await net.forward(data=images))["prob"]

A blob is read with ``await net.blobs["data"].get()`` and written with ``await net.blobs["data"].set(values)``. What is
made here is released with ``await net.close()``, or when the connection ends.
"""

from __future__ import annotations

from caffe_sdk.client.aio.connection import AsyncClient, connect
from caffe_sdk.client.aio.models import AsyncModels
from caffe_sdk.client.aio.net import AsyncBlob, AsyncNet
from caffe_sdk.client.aio.solver import AsyncSolver

__all__ = ["AsyncBlob", "AsyncClient", "AsyncModels", "AsyncNet", "AsyncSolver", "connect"]
