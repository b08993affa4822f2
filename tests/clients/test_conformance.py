"""One file of scenarios gives the same arrays and the same codes of errors in process and by every client."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from caffe_sdk import client
from caffe_sdk.server import Options, RunningServer, start
from tests.clients.conformance import SCENARIOS, ClientPlayer, Notes, SessionPlayer, play, without


@pytest.fixture(scope="module")
def expected() -> Notes:
    """What every client is to note."""
    return play(SessionPlayer)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    with start(Options("127.0.0.1:0", models=str(folder), grace=1)) as server:
        yield server


def test_the_scenarios_say_what_they_shall(expected: Notes) -> None:
    """The notes themselves, where they can be told beforehand."""
    both = expected["a net of several inputs and outputs"][1]
    assert both["sum"]["data"] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert both["product"] == {"shape": [2, 3], "data": [-2.0, -1.875, -1.0, 0.625, 3.0, 6.125]}
    losses = expected["a solver trains"][3]
    assert losses[0] > losses[-1] > 0
    assert expected["a solver trains"][4] == {"iter": 6, "max_iter": 10}
    codes = [note["error"] if note else None for note in expected["mistakes have the same codes everywhere"][:6]]
    assert codes == ["prototxt", "graph", "shape", "layer", "layer", None]
    assert expected["what was released is gone"][2] == {"error": "handle"}


def test_the_python_client(server: RunningServer, expected: Notes) -> None:
    with client.connect(server.address) as connection:
        notes = play(partial(ClientPlayer, server=connection), ClientPlayer.UNABLE)
    assert notes == without(expected, ClientPlayer.UNABLE)


def test_the_cpp_client(root: Path, server: RunningServer, expected: Notes) -> None:
    folder = built(root, "cpp", "grpc_cpp_plugin")
    assert played([str(folder / "build" / "conformance")], server) == expected


def test_the_node_client(node: Path, server: RunningServer, expected: Notes) -> None:
    assert played(["node", str(node / "conformance.js")], server) == expected


def test_the_types_of_the_node_client(node: Path) -> None:
    compiled = subprocess.run(["npm", "run", "types"], cwd=node, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout


@pytest.fixture
def node(root: Path) -> Path:
    """The folder of the Node client, whose libraries are installed."""
    folder = root / "bindings" / "grpc" / "node"
    if shutil.which("node") is None or not (folder / "node_modules" / "typescript").is_dir():
        pytest.skip("Node and the client's libraries are not installed; `make node` installs the libraries")
    return folder


def built(root: Path, language: str, needed: str) -> Path:
    """The folder of a language's client, made anew where anything changed."""
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed; `make clients` installs what the clients are built with")
    folder = root / "bindings" / "grpc" / language
    made = subprocess.run(["make", "--silent", "-C", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def played(command: list[str], server: RunningServer) -> Notes:
    """What a client's player prints."""
    done = subprocess.run(
        [*command, str(SCENARIOS), server.address], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    notes: Notes = json.loads(done.stdout)
    return notes
