"""docs/data.md: its commands run, and what it shows is what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data.classics import DATA_SETS
from tests.habits.test_readme import write_idx


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_commands_run_and_print_what_is_shown(page: str, root: Path, tmp_path: Path) -> None:
    photos, mnist = tmp_path / "photos", tmp_path / "mnist"
    photos.mkdir()
    mnist.mkdir()
    rng = np.random.default_rng(1)
    names = "abcdefghijklmnopqrstuvwx"
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(photos / f"{name}.png")
    (photos / "list.txt").write_text("".join(f"{name}.png {i % 3}\n" for i, name in enumerate(names)))
    for split, count in (("train", 5), ("t10k", 3)):
        write_idx(mnist / f"{split}-images-idx3-ubyte", np.zeros((count, 28, 28)))
        write_idx(mnist / f"{split}-labels-idx1-ubyte", np.zeros(count))
    script = "set -e\n" + "".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL))
    path = os.pathsep.join([str(Path(sys.executable).parent), str(root / "tools"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    command = ["bash", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (shown,) = re.findall(r"```\n(photos_lmdb: .*?)```", page, re.DOTALL)
    assert shown in run.stdout
    assert (tmp_path / "photos.png").is_file()
    assert (tmp_path / "mean.binaryproto").is_file()
    assert (tmp_path / "mnist_train_lmdb").is_dir()


def test_every_tool_and_data_set_is_on_the_page(page: str, root: Path) -> None:
    scripts = re.findall(r'^(\w+) = "caffe_sdk.cli.data_tools:', (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert len(scripts) == 6
    for name in [*scripts, *DATA_SETS]:
        assert f"`{name}" in page
