"""What docs/new-solver.md tells to write is written here, and run: every file, script and command, in its order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.habits.sources import ROOT

RUNNERS = {"python": [sys.executable, "-W", "error", "-c"], "bash": ["bash", "-euc"]}


@pytest.mark.slow
def test_the_solvers_train(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "new-solver.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "caffe").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m caffe_sdk.cli "$@"\n')
    (tmp_path / "bin" / "caffe").chmod(0o755)
    ran = []
    for language, block in blocks:
        name = re.match(r"# (\w+\.\w+)\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
            continue
        command = [*RUNNERS[language], block]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        ran.append(language)
    assert ran == ["python", "bash", "python", "python", "python", "python"]
    assert (tmp_path / "bars_iter_200.solverstate").exists()
