"""`make test-gpu`, on the simulated device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_report_is_written(root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    command = [sys.executable, "tools/test_gpu.py", "--engine", "simulated", "--brief", "--report", str(report)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    text = report.read_text(encoding="utf-8")
    assert "FAILED" not in text
    for words in ("## Table of cases", "passed", "simulated\n", "| lenet | 2 | training | float32 |"):
        assert words in text
    assert "make test-gpu" in (root / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert "tools/test_gpu.py" in (root / "Makefile").read_text(encoding="utf-8")
