"""A server of SqueezeNet, as a company would set one up, for the tests of the protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk.server import Options, RunningServer, start
from tests.server.squeezenet import SqueezeNet, put_squeezenet, wait_until_ready


@pytest.fixture(scope="session")
def squeezenet_folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the version."""
    config = '{"max_batch_size": 4, "max_queue_delay_ms": 0, "warm_up": false}'
    return put_squeezenet(shared, tmp_path_factory.mktemp("models"), config=config)


@pytest.fixture(scope="session")
def squeezenet(squeezenet_folder: Path, shared: Path) -> SqueezeNet:
    """The net itself."""
    return SqueezeNet(squeezenet_folder, (shared / "models" / "cat.jpg").read_bytes())


@pytest.fixture(scope="session")
def squeezenet_server(squeezenet_folder: Path) -> Iterator[RunningServer]:
    """A server with the model loaded, for gRPC and HTTP."""
    options = Options("127.0.0.1:0", http="127.0.0.1:0", models=str(squeezenet_folder.parent.parent), grace=0)
    with start(options) as server:
        yield wait_until_ready(server)
