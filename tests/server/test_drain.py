"""The end of a server: what was taken is answered, what comes later is refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from caffe_sdk.server import Options, start
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import HOSTED, Gate, put, register
from tests.waiting import until


def test_requests_under_way_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    put(tmp_path, "m", text=HOSTED)
    server = wait_until_ready(start(Options("127.0.0.1:0", models=str(tmp_path), grace=120)))
    Gate.arrived.clear()
    Gate.let_through.clear()
    stub, answers = triton.InferenceServerClient(server.address), []
    values = triton.InferInput("data", [1, 2], "FP32")
    values.set_data_from_numpy(np.ones((1, 2), np.float32))
    clients = [threading.Thread(target=lambda: answers.append(stub.infer("m", [values]))) for _ in range(3)]
    for each in clients:
        each.start()
    repository = server.backend.repository
    assert repository is not None
    until(lambda: repository.get("m").statistics.snapshot().pending == 3)
    ending = threading.Thread(target=server.stop)
    ending.start()
    with pytest.raises(InferenceServerException) as refused:
        ask_until_refused(server.address)
    Gate.let_through.set()
    ending.join(60)
    for each in clients:
        each.join(60)
    assert [answer.as_numpy("out").tolist() for answer in answers] == [[[2, 2]]] * 3
    assert refused.value.status() in ("StatusCode.UNAVAILABLE", "StatusCode.CANCELLED")
    stub.close()


def ask_until_refused(address: str) -> None:
    """Ask whether the server lives, by a connection of its own each time, until one is refused.

    One that is made at the moment the server closes its port may get no answer at all.
    """
    alone = [("grpc.use_local_subchannel_pool", 1)]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with triton.InferenceServerClient(address, channel_args=alone) as stub:
            try:
                stub.is_server_live(client_timeout=1)
            except InferenceServerException as error:
                if error.status() != "StatusCode.DEADLINE_EXCEEDED":
                    raise
        time.sleep(0.01)
