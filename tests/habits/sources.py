"""The files of the checkout, as the tests of habits see them."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "caffe_sdk"


def tracked(*patterns: str) -> list[Path]:
    """Files of the checkout that git keeps or would keep, by git's patterns; every file without a pattern."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listing.splitlines() if (path := ROOT / name).is_file()]


def module_name(path: Path) -> str:
    """The dotted name of a module of the package: caffe_sdk/engine/base.py -> caffe_sdk.engine.base."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in tracked("caffe_sdk/*.py")}
"""Every module of the package, by its dotted name."""


def imported_by(path: Path) -> set[str]:
    """Dotted names that a file imports, whole or in part: both a.b and a.b.c of `from a.b import c`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names
