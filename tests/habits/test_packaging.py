"""What a user installs: one version, and everything the package needs at run time."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import caffe_sdk
from tests.habits.sources import tracked


def test_version_stands_in_one_place(root: Path) -> None:
    assert version("caffe-sdk") == caffe_sdk.__version__
    quoted = re.compile(
        rf"""^\s*(?:__)?version(?:__)?\s*[=:]\s*["']?{re.escape(caffe_sdk.__version__)}""", re.MULTILINE
    )
    files = tracked("*.py", "*.toml", "*.cfg", "*.yml", "*.m")
    assert [path for path in files if quoted.search(path.read_text())] == [root / "caffe_sdk/__init__.py"]


def test_changelog_knows_the_version(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{caffe_sdk.__version__}]" in text


@pytest.mark.slow
def test_wheel_holds_what_the_package_needs(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(root)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("caffe_sdk-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    wanted = {str(path.relative_to(root)) for path in tracked("caffe_sdk")}
    clients = root / "bindings" / "matlab"
    wanted |= {f"caffe_sdk/matlab/{path.relative_to(clients)}" for path in tracked("bindings/matlab")}
    assert not wanted - names, f"the wheel lacks {', '.join(sorted(wanted - names))}"
    assert "caffe_sdk/py.typed" in names
    assert any(name.endswith(".binpb") for name in names)

    strangers = {name.partition("/")[0] for name in names if not name.startswith("caffe_sdk/")}
    assert strangers == {f"caffe_sdk-{caffe_sdk.__version__}.dist-info"}
