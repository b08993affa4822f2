"""One file of scenarios gives the same arrays and the same codes of errors in process and by every client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk import client
from caffe_sdk.app.descriptions import Objects
from caffe_sdk.server import Options, RunningServer, start
from tests.clients.conformance import SCENARIOS, ClientPlayer, Notes, SessionPlayer, play, without
from tests.clients.languages import LANGUAGES, address, client_folder, command
from tests.waiting import until

pytestmark = pytest.mark.timeout(900)  # the first to come builds its client: cargo compiles a hundred crates


@pytest.fixture(scope="module")
def expected() -> Notes:
    """What every client is to note."""
    return play(SessionPlayer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", models=str(tmp_path), grace=1)) as server:
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_languages(language: str, server: RunningServer, expected: Notes) -> None:
    assert played(command(language, "conformance"), address(language, server)) == expected
    # The players of some languages release nothing: what they made goes with them.
    until(lambda: server.session.objects() == Objects(0, 0))


def test_the_types_of_the_node_client() -> None:
    folder = client_folder("node")
    compiled = subprocess.run(["npm", "run", "types"], cwd=folder, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout


def played(command: list[str], address: str) -> Notes:
    """What a client's player prints."""
    done = subprocess.run([*command, str(SCENARIOS), address], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    # Some languages write a float32 with the digits that tell it from other float32s, others with those of a double.
    notes: Notes = json.loads(done.stdout, parse_float=lambda digits: float(np.float32(digits)))
    return notes
