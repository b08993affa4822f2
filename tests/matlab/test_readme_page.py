"""What bindings/matlab/README.md shows runs as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import caffe_sdk as caffe
from caffe_sdk.server import Options, start
from tests.matlab import octave
from tools import matlab_package

CLIENT = octave.ROOT / "bindings" / "matlab"
PAGE = (CLIENT / "README.md").read_text(encoding="utf-8")
CODE = dict(re.findall(r"## ([^\n]+)\n(?:(?!\n## ).)*?```octave\n(.*?)```", "\n## First\n" + PAGE, re.DOTALL))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the client where a checkout has it, and a LeNet."""
    shutil.copytree(CLIENT, tmp_path / "bindings" / "matlab")
    model = octave.ROOT / "caffe_sdk" / "models" / "lenet" / "lenet_deploy.prototxt"
    shutil.copy(model, tmp_path)
    with caffe.Net(str(model), caffe.TEST) as net:
        net.save(str(tmp_path / "lenet.caffemodel"))
    return tmp_path


def alone(script: str) -> str:
    """A script without the tests' own path to the client."""
    return f"rmpath('{CLIENT}'); {script}"


def test_the_page_has_these_sections() -> None:
    assert list(CODE) == ["First", "Old scripts", "Octave", "On a server"]


def test_first_lines(checkout: Path) -> None:
    said = octave.run(alone(CODE["First"] + "disp(size(result{1}))"), checkout)
    assert said.split() == ["10", "64"]


def test_old_scripts(checkout: Path) -> None:
    said = octave.run(alone("cd bindings/matlab\n" + CODE["Old scripts"]), checkout)
    assert "Success: what was read is what was written" in said


def test_as_an_octave_package(tmp_path: Path) -> None:
    (command,) = re.findall(r"^octave --eval \"(pkg install .*)\"$", PAGE, re.MULTILINE)
    archive = matlab_package.pack_octave(tmp_path / "dist")
    assert command == f"pkg install dist/{archive.name}"
    install = f"pkg('prefix', '{tmp_path}/prefix', '{tmp_path}/arch'); pkg('local_list', '{tmp_path}/list'); "
    said = octave.run(alone(install + f"{command}\n" + CODE["Octave"]), tmp_path)
    assert f"ans = {caffe.__version__}" in said


def test_on_a_server(checkout: Path) -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        code = CODE["On a server"].replace("localhost:50051", server.address)
        said = octave.run(f"{code} disp(size(result{{1}}))", checkout)
    assert said.splitlines()[0] == "Cleared 0 solvers and 1 stand-alone nets"
    assert said.split()[-2:] == ["10", "64"]


def test_commands_for_the_packages(tmp_path: Path) -> None:
    commands = re.findall(r"python (tools/matlab_package\.py \w+) dist", PAGE)
    assert [command.split()[1] for command in commands] == ["octave", "matlab"]
    for command in commands:
        line = [sys.executable, *command.split(), str(tmp_path)]
        done = subprocess.run(line, cwd=octave.ROOT, check=True, capture_output=True, text=True)
        assert Path(done.stdout.strip()).exists()
