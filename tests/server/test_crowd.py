"""Many clients at once, more than there are threads for calls: all are answered, and so are questions of health."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton

from caffe_sdk.server import Options, RunningServer, start
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import expected, put

CLIENTS = 64


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    put(tmp_path, max_batch_size=CLIENTS, max_queue_delay_ms=300, warm_up=False)
    with start(Options("127.0.0.1:0", models=str(tmp_path), workers=1, grace=0)) as server:
        yield wait_until_ready(server)


def test_a_crowd_of_stock_clients(server: RunningServer, tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.random((CLIENTS, 3, 8, 8), np.float32)
    answers: dict[int, object] = {}
    begin = threading.Barrier(CLIENTS + 1)

    def ask(i: int) -> None:
        with triton.InferenceServerClient(server.address) as client:
            tensor = triton.InferInput("data", [1, 3, 8, 8], "FP32")
            tensor.set_data_from_numpy(values[i : i + 1])
            begin.wait()
            answers[i] = client.infer("small", [tensor]).as_numpy("prob")

    crowd = [threading.Thread(target=ask, args=(i,)) for i in range(CLIENTS)]
    for each in crowd:
        each.start()
    with triton.InferenceServerClient(server.address) as client:
        begin.wait()
        assert client.is_server_live(client_timeout=60)
        assert client.is_server_ready(client_timeout=60)
    for each in crowd:
        each.join()
    want = expected(tmp_path / "small" / "1", data=values)["prob"]
    for i in range(CLIENTS):
        np.testing.assert_allclose(answers[i], want[i : i + 1], rtol=1e-4, atol=1e-6)
