"""docs/inference-protocol.md: its commands run, in order, and print what they should."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.habits.sources import ROOT
from tests.habits.test_readme import RUNNERS, blocks
from tests.server.squeezenet import put_squeezenet

PAGE = ROOT / "docs" / "inference-protocol.md"


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def test_the_commands_run_and_print_what_they_should(shared: Path, tmp_path: Path) -> None:
    put_squeezenet(shared, tmp_path / "models", config='{"warm_up": false}')
    (tmp_path / "cat.jpg").symlink_to((shared / "models" / "cat.jpg").resolve())
    parts = ["set -euo pipefail"]
    for number, (language, code) in enumerate(blocks(PAGE), 1):
        parts += [f"echo; echo '=== {number}'", RUNNERS[language].format(code=code)]
    text = "\n".join(parts).replace("8001", free_port()).replace("8000", free_port())
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            ["bash", "-c", text],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        printed = log.read()
    assert status == 0, printed
    start, what, photo, zeros, grpc_client, http_client, metrics, line = printed.split("\n=== ")[1:]
    assert start.count("listening on") == 2
    assert '"state": "READY"' in what
    assert '"datatype": "FP32", "shape": [-1, 3, 227, 227]' in what
    assert "kit fox, Vulpes macrotis" in json.loads(photo.split("\n", 1)[1])["outputs"][0]["data"][0]
    assert '"model_name":"squeezenet"' in zeros
    assert "kit fox, Vulpes macrotis" in grpc_client
    assert "(2, 1000, 1, 1)" in http_client
    assert 'caffe_inference_count{model="squeezenet",version="1"} 5' in metrics
    assert json.loads(line.split("\n", 1)[1])["door"] == "http"
