from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.errors import ShapeError
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.metrics import exposition
from caffe_sdk.serving import InferRequest
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import put

LINE = re.compile(r'(?P<name>[a-z_]+)(\{(?P<labels>([a-z_]+="([^"\\\n]|\\.)*",?)*)\})? (?P<value>[-+.e\d]+)')


def parsed(text: str) -> dict[str, float]:
    """Every sample, and a check that the text has the form Prometheus wants."""
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("# HELP "):
            sample = LINE.fullmatch(line)
            assert sample, line
            assert sample["name"] in typed
            found[line.rpartition(" ")[0]] = float(sample["value"])
    assert text.endswith("\n")
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    put(tmp_path)
    with start(Options("127.0.0.1:0", models=str(tmp_path), grace=0)) as server:
        yield wait_until_ready(server)


def test_numbers_of_models_and_requests(server: RunningServer) -> None:
    assert server.backend.repository is not None
    model = server.backend.repository.get("small")
    before = parsed(exposition(server.backend))
    model.infer(InferRequest({"data": np.zeros((3, 3, 8, 8))}))
    with pytest.raises(ShapeError):
        model.infer(InferRequest({"data": np.zeros((3, 8, 8))}))
    journal = server.backend.journal
    journal.end(journal.begin("http", 'GET "\\\n', None), "200")
    after = parsed(exposition(server.backend))
    labels = '{model="small",version="1"}'
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown[f"caffe_inference_request_success{labels}"] == 1
    assert grown['caffe_inference_request_failure{model="small",version="1",reason="shape"}'] == 1
    assert grown[f"caffe_inference_count{labels}"] == 3
    assert grown[f"caffe_inference_exec_count{labels}"] == 1
    assert grown[f"caffe_inference_compute_infer_duration_us{labels}"] > 0
    assert grown['caffe_inference_batch_exec_count{model="small",version="1",batch_size="3"}'] == 1
    assert after[f"caffe_model_ready{labels}"] == 1
    assert after[f"caffe_inference_pending_request_count{labels}"] == 0
    assert after['caffe_requests_total{door="http",method="GET \\"\\\\\\n",status="200"}'] == 1
    assert after["process_cpu_seconds_total"] > 0


def test_a_server_without_models_has_metrics() -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        assert parsed(exposition(server.backend))['caffe_held_objects{kind="net"}'] == 0
