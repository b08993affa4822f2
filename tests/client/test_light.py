"""The client installs with gRPC, protobuf and NumPy, and imports no engine and no layers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk.server import Options, RunningServer, start

PROBE = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    allowed = {"caffe_sdk.client", "caffe_sdk.errors", "caffe_sdk.rpc", "caffe_sdk.schema"}
    known = {"caffe_sdk", "google", "grpc", "numpy", "tests", "typing_extensions"} | set(sys.stdlib_module_names)

    def find_spec(self, name, path, target=None):
        top = name.split(".")[0]
        ours = top == "caffe_sdk" and name != top and ".".join(name.split(".")[:2]) not in self.allowed
        if ours or top not in self.known:
            raise ImportError(f"{name} is not for clients")

sys.meta_path.insert(0, Blocker())
import asyncio
import numpy as np
from caffe_sdk import client
from caffe_sdk.client import aio
from tests.app.texts import NET, SOLVER

with client.connect(sys.argv[1]) as server:
    net = server.net(NET)
    print(net.forward(data=np.ones((4, 1, 6, 6)))["prob"].shape)
    again = server.net(NET, weights=net.to_bytes())
    solver = server.solver(SOLVER)
    solver.net.blobs["data"].data = np.ones((8, 10))
    solver.step(2)
    print(solver.iter)

async def work():
    async with await aio.connect(sys.argv[1]) as server:
        return (await (await server.net(NET)).forward())["prob"].shape

print(asyncio.run(work()))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        yield server


def test_only_what_a_client_needs_is_imported(root: Path, server: RunningServer) -> None:
    command = [sys.executable, "-c", PROBE, server.address]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split("\n")[:3], done.stderr) == (["(4, 5)", "2", "(4, 5)"], "")
