"""What docs/new-layer.md tells to write is written here, and run: every file and every script, in its order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.habits.sources import ROOT

LONGEST_EXAMPLE = 20  # lines of code of a layer with a type of its own


def blocks() -> list[str]:
    text = (ROOT / "docs" / "new-layer.md").read_text(encoding="utf-8")
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def file_name(block: str) -> str | None:
    """The name a block begins with, if it is a file."""
    found = re.match(r"# (\w+\.\w+)\n", block)
    return found[1] if found else None


def test_the_layers_train(tmp_path: Path) -> None:
    scripts = 0
    for block in blocks():
        name = file_name(block)
        if name:
            (tmp_path / name).write_text(block)
            continue
        scripts += 1
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "error", "-c", block]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    assert scripts == 2
    assert len([*tmp_path.glob("*.py")]) == 5


def test_a_layer_is_short() -> None:
    (gain,) = (block for block in blocks() if file_name(block) == "gain.py")
    lines = [line for line in gain.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= LONGEST_EXAMPLE
