"""docs/serving.md: its commands run, in order, and its table of entries is the code's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from caffe_sdk.net import Net
from caffe_sdk.serving import ModelConfig, config
from tests.habits.sources import ROOT
from tests.habits.test_inference_page import free_port
from tests.habits.test_readme import RUNNERS, blocks

PAGE = ROOT / "docs" / "serving.md"


def test_the_commands_run_and_print_what_they_should(tmp_path: Path) -> None:
    deploy = tmp_path / "lenet_deploy.prototxt"
    shutil.copy(ROOT / "caffe_sdk" / "models" / "lenet" / deploy.name, deploy)
    with Net(deploy, "test") as net:
        net.save(tmp_path / "lenet.caffemodel")
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
    start, changed, program = printed.split("\n=== ")[1:]
    assert '"version": "1", "state": "READY"' in start
    assert '"version": "2"' in changed
    assert "2 (TensorSpec(name='data', shape=(-1, 1, 28, 28)" in program
    served, executions = map(int, program.split()[-2:])
    assert served == 40
    assert executions <= 40


def test_every_entry_is_on_the_page_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(rows) == {each.name for each in fields(ModelConfig)}
    shown = {name: json.loads(default) for name, default in rows.items()}
    assert config.parse(shown, "the page") == ModelConfig()
