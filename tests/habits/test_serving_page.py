"""docs/serving.md: its commands run, in order, and its table of entries is the code's."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

from caffe_sdk.net import Net
from caffe_sdk.serving import ModelConfig, config
from tests.habits.pages import free_port, printed_by
from tests.habits.sources import ROOT

PAGE = ROOT / "docs" / "serving.md"


def test_the_commands_run_and_print_what_they_should(tmp_path: Path) -> None:
    deploy = tmp_path / "lenet_deploy.prototxt"
    shutil.copy(ROOT / "caffe_sdk" / "models" / "lenet" / deploy.name, deploy)
    with Net(deploy, "test") as net:
        net.save(tmp_path / "lenet.caffemodel")
    printed = printed_by(PAGE, tmp_path, {"8001": free_port(), "8000": free_port()})
    start, changed, program = printed
    assert '"version": "1", "state": "READY"' in start
    assert '"version": "2"' in changed
    assert "2 (TensorSpec(name='data', shape=(-1, 1, 28, 28)" in program
    served, executions = map(int, re.findall(r"^(\d+) (\d+)$", program, re.MULTILINE)[0])
    assert served == 40
    assert executions <= 40


def test_every_entry_is_on_the_page_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(rows) == {each.name for each in fields(ModelConfig)}
    shown = {name: json.loads(default) for name, default in rows.items()}
    assert config.parse(shown, "the page") == ModelConfig()
