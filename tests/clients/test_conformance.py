"""One file of scenarios gives the same arrays and the same codes of errors in process and by every client."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from caffe_sdk import client
from caffe_sdk.server import Options, RunningServer, start
from tests.clients.conformance import ClientPlayer, Notes, SessionPlayer, play, without


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
