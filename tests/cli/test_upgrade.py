"""The upgrade tools as commands: their arguments, words and exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from caffe_sdk.cli import upgrade
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

OLD = 'input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4'
TOOLS = {
    "upgrade_net_proto_text": upgrade.upgrade_net_proto_text,
    "upgrade_net_proto_binary": upgrade.upgrade_net_proto_binary,
    "upgrade_solver_proto_text": upgrade.upgrade_solver_proto_text,
}
INPUTS = {
    "upgrade_net_proto_text": OLD.encode(),
    "upgrade_net_proto_binary": prototxt.parse(OLD, NetParameter).SerializeToString(),
    "upgrade_solver_proto_text": b"solver_type: NESTEROV",
}
each_tool = pytest.mark.parametrize(("name", "tool"), TOOLS.items(), ids=TOOLS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@each_tool
def test_two_files(
    name: str, tool: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").write_bytes(INPUTS[name])
    monkeypatch.setattr(sys, "argv", [name, "in", "out"])
    assert tool() == 0
    assert Path("out").stat().st_size
    assert capsys.readouterr().err.strip().endswith("proto to out")


@each_tool
def test_usage_and_errors(
    name: str, tool: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "in"])
    assert tool() == 1
    assert f"Usage: {name} " in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [name, "nowhere", "out"])
    assert tool() == 5
    assert f"{name}: missing_file: Could not open file nowhere" in capsys.readouterr().err


def test_something_left_out_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in").write_text('layers { layer { name: "r" type: "relu" num_output: 3 } bottom: "x" top: "x" }')
    monkeypatch.setattr(sys, "argv", ["upgrade_net_proto_text", "in", "out"])
    assert upgrade.upgrade_net_proto_text() == 1
    assert Path("out").exists()


@each_tool
def test_the_tools_folder_and_the_installed_commands(name: str, tool: Callable[[], int], root: Path) -> None:
    Path("in").write_bytes(INPUTS[name])
    command = [sys.executable, str(root / "tools" / name), "in", "out"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    assert os.access(root / "tools" / name, os.X_OK)
    assert f'{name} = "caffe_sdk.cli.upgrade:{name}"' in (root / "pyproject.toml").read_text()
