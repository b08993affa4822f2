"""The client for asyncio gives what the waiting one gives."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image

from caffe_sdk import client
from caffe_sdk.app.descriptions import Objects
from caffe_sdk.client import ServerFile, aio
from caffe_sdk.errors import ArgumentError, BridgeError, CaffeError, HandleError
from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, start
from tests.app.texts import NET, SOLVER
from tests.serving.models import put

T = TypeVar("T")
LARGE = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 3 dim: 100000 } } }'

WIDE = 'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip" inner_product_param { num_output: 5 } }'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("models")
    (put(root) / "labels.txt").write_text("\n".join(["ant", "bee", "cat", "dog", "eel"]))
    with start(Options("127.0.0.1:0", models=str(root), max_message=500_000, grace=0)) as server:
        repository = server.backend.repository
        assert repository is not None
        repository.poll()
        yield server
        assert server.session.objects() == Objects(0, 0)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def png(rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_nets(server: RunningServer, rng: np.random.Generator, tmp_path: Path) -> None:
    data, gradients = rng.random((4, 1, 6, 6), np.float32), rng.random((4, 5), np.float32)

    async def work() -> None:
        async with await aio.connect(server.address) as remote:
            net, twin = await remote.net(NET), await remote.net(NET)
            with client.connect(server.address) as waiting:
                same = waiting.net(NET, weights=await net.to_bytes())
                expected = same.forward(data=data, blobs=["conv"]), same.backward(prob=gradients)
            got = await net.forward(data=data, blobs=["conv"]), await net.backward(prob=gradients)
            for mine, its in zip(got, expected, strict=True):
                assert list(mine) == list(its)
                for name in its:
                    np.testing.assert_array_equal(mine[name], its[name])
            assert np.abs(await net.params["score"][1].get("diff")).max() > 0
            await net.clear_param_diffs()
            assert np.abs(await net.params["score"][1].get("diff")).max() == 0
            await net.save(tmp_path / "a.caffemodel")
            await net.save(ServerFile("a.caffemodel"))
            assert await twin.copy_from(tmp_path / "a.caffemodel") == ["conv", "score"]
            assert await twin.copy_from(ServerFile("a.caffemodel")) == ["conv", "score"]
            await twin.share_with(net)
            await net.params["score"][1].set(np.arange(5))
            np.testing.assert_array_equal(await twin.params["score"][1].get(), np.arange(5))
            await net.blobs["data"].reshape(2, 1, 6, 6)
            await net.reshape()
            assert (await net.shapes())["prob"] == (2, 5)
            await net.close()
            with pytest.raises(HandleError):
                await net.forward()
            with pytest.raises(ArgumentError, match="is no phase"):
                await remote.net(NET, "testing")

    run(work())


def test_large_values(server: RunningServer, rng: np.random.Generator) -> None:
    values = rng.random((3, 100_000), np.float32)

    async def work() -> None:
        async with await aio.connect(server.address) as remote:
            net = await remote.net(LARGE)
            np.testing.assert_array_equal((await net.forward(d=values))["d"], values)
            await net.blobs["d"].set(values + 1)
            np.testing.assert_array_equal(await net.blobs["d"].get(), values + 1)
            one, other = await remote.net(LARGE + WIDE), await remote.net(LARGE + WIDE)
            assert await one.copy_from(await other.to_bytes()) == ["ip"]

    run(work())


def test_solvers(server: RunningServer) -> None:
    async def work() -> None:
        async with await aio.connect(server.address) as remote:
            solver = await remote.solver(SOLVER + 'snapshot_prefix: "async"')
            await solver.net.blobs["data"].set(np.ones((8, 10)))
            assert await solver.resume() == ""
            await solver.step(3)
            path = await solver.snapshot()
            events = [event async for event in solver.events(2)]
            assert [event.iteration for event in events if isinstance(event, pb.Iteration)] == [3, 4]
            await solver.restore(Path(path).name)
            assert (await solver.state()).iter == 3
            assert await solver.resume() == path
            stream = solver.events(10**9)
            async for event in stream:
                if isinstance(event, pb.Iteration):
                    await solver.stop()
                last = event
            assert last.stopped
            for net in solver.test_nets:
                await net.blobs["data"].set(np.ones((8, 10)))
            await solver.solve()
            assert (await solver.state()).iter == 20
            await solver.close()

    run(work())


def test_models(server: RunningServer, rng: np.random.Generator) -> None:
    images = [png(rng) for _ in range(3)]

    async def work() -> None:
        async with await aio.connect(server.address) as remote:
            with client.connect(server.address) as waiting:
                theirs, batches = waiting.models, [images[:2], images[2:]]
                assert [m.name for m in await remote.models.list()] == [m.name for m in theirs.list()] == ["small"]
                assert await remote.models.classify("small", images) == theirs.classify("small", images)
                assert await remote.models.describe("small") == theirs.describe("small")
                features = [each["conv"] for each in theirs.extract("small", ["conv"], batches)]
                assert [each.shape for each in features] == [(2, 4, 6, 6), (1, 4, 6, 6)]
                mine = [each["conv"] async for each in remote.models.extract("small", ["conv"], batches)]
                np.testing.assert_array_equal(np.concatenate(mine), np.concatenate(features))
                got = await remote.models.run("small", images=images, outputs=["fc"])
                expected = theirs.run("small", images=images, outputs=["fc"])
                np.testing.assert_array_equal(got["fc"], expected["fc"])
                waiting.models.unload("small")
                await remote.models.load("small")
                await remote.models.unload("small")
                waiting.models.load("small")

    run(work())


def test_images_by_the_net_s_record(server: RunningServer, rng: np.random.Generator) -> None:
    async def work() -> None:
        async with await aio.connect(server.address) as remote:
            net = await remote.net(ServerFile("small/1/deploy.prototxt"))
            assert (await net.predict([png(rng)]))["prob"].shape == (1, 5)

    run(work())


def test_servers_that_are_not_there(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(BridgeError, match="no server answered in time"):
            await aio.connect(f"unix:{tmp_path}/nobody", timeout=0.2)
        with start(Options("127.0.0.1:0", grace=0)) as server:
            remote = await aio.connect(server.address)
            net = await remote.net(NET)
        with pytest.raises(CaffeError):
            await net.forward()
        await remote.close()
        with pytest.raises(BridgeError, match="connect again"):
            await net.forward()
        with pytest.raises(BridgeError, match="connect again"):
            await net.to_bytes()

    run(work())
