from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk import client
from caffe_sdk.server import Options, start
from tests.bench import tensors


def test_every_way_brings_the_values_back(rng: np.random.Generator) -> None:
    array = rng.random(1_000_000, np.float32)
    with start(Options("127.0.0.1:0", grace=0)) as server, client.connect(server.address) as remote:
        net = remote.net(tensors.NET.replace(str(tensors.VALUES), "1000000"))
        for way in tensors.ways(remote, net, array).values():
            np.testing.assert_array_equal(way(), array)


def test_what_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "measure", lambda repetitions: {"forward": [0.3, 0.1, 0.2][:repetitions]})
    tensors.main(3)
    assert capsys.readouterr().out == "forward      median 0.200 s, minimum 0.100 s\n"
