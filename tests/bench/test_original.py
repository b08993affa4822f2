"""A program that answers as asked is timed beside ours, in each of OpenBLAS's ways."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import original

PROGRAM = f"""#!{sys.executable}
import os, sys
assert sys.argv[1:] == ["1", "test"]
print("ready", flush=True)
for line in sys.stdin:
    print(7, {{"SkylakeX": 500, "Prescott": 1500}}.get(os.environ.get("OPENBLAS_CORETYPE"), 1000), flush=True)
"""


def test_ratios(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(original, "ours", lambda batch, train: lambda: 0.25)
    monkeypatch.setattr(sys, "argv", ["original.py", str(program), "--batch", "1", "--rounds", "2"])
    original.main()
    assert capsys.readouterr().out.splitlines() == [
        "ours 250.0 ms (least 250.0)",
        "as shipped: 4.00 (4.00) times ours",
        "SkylakeX: 2.00 (2.00) times ours",
        "Prescott: 6.00 (6.00) times ours",
    ]


def test_another_program_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nprint('hello')\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="ready"):
        original.Original(program, 1, False, {})
