"""The commands a newcomer types are there, are one line each, and are what continuous integration runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

TARGETS = ["setup", "demo", "test", "check", "docs", "bench", "clean"]


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_the_target(root: Path, target: str) -> None:
    assert re.search(rf"^{target}:.*## \w", (root / "Makefile").read_text(), re.MULTILINE)


def test_each_recipe_is_one_line(root: Path) -> None:
    recipes = re.findall(r"(?:^\t.*\n)+", (root / "Makefile").read_text(), re.MULTILINE)
    assert [recipe for recipe in recipes if recipe.count("\n") > 1] == []


def test_readme_opens_with_two_commands(root: Path) -> None:
    opening = (root / "README.md").read_text().split("```")[1]
    assert re.findall(r"^make \w+", opening, re.MULTILINE) == ["make demo", "make test"]


def test_continuous_integration_runs_the_readmes_test_command(root: Path) -> None:
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make --no-print-directory test </dev/null"
