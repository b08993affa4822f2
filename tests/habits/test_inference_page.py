"""docs/inference-protocol.md: its commands run, in order, and print what they should."""

from __future__ import annotations

import json
from pathlib import Path

from tests.habits.pages import free_port, printed_by
from tests.habits.sources import ROOT
from tests.server.squeezenet import put_squeezenet

PAGE = ROOT / "docs" / "inference-protocol.md"


def test_the_commands_run_and_print_what_they_should(shared: Path, tmp_path: Path) -> None:
    put_squeezenet(shared, tmp_path / "models", config='{"warm_up": false}')
    (tmp_path / "cat.jpg").symlink_to((shared / "models" / "cat.jpg").resolve())
    printed = printed_by(PAGE, tmp_path, {"8001": free_port(), "8000": free_port()})
    start, what, photo, zeros, grpc_client, http_client, metrics, line = printed
    assert start.count("listening on") == 2
    assert '"state": "READY"' in what
    assert '"datatype": "FP32", "shape": [-1, 3, 227, 227]' in what
    assert "kit fox, Vulpes macrotis" in json.loads(photo.split("\n", 1)[1])["outputs"][0]["data"][0]
    assert '"model_name":"squeezenet"' in zeros
    assert "kit fox, Vulpes macrotis" in grpc_client
    assert "(2, 1000, 1, 1)" in http_client
    assert 'caffe_inference_count{model="squeezenet",version="1"} 5' in metrics
    assert json.loads(line.split("\n", 1)[1])["door"] == "http"
