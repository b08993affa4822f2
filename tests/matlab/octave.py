"""Octave as a subprocess, with +caffe on its path and this Python as CAFFE_PYTHON."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRANSPORTS = ["pipe", "tcp"]


def environment(folder: Path, transport: str, **more: str) -> dict[str, str]:
    """The environment of an Octave whose temporary files and bridge's folder lie in ``folder``."""
    bridges = folder / "bridges"
    bridges.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "CAFFE_PYTHON": sys.executable,
        "CAFFE_ENGINE": "reference",  # these tests are about the door: nothing is to be compiled
        "CAFFE_BRIDGE_DIR": str(bridges),
        "CAFFE_BRIDGE_TRANSPORT": transport,
        "CAFFE_BRIDGE_TIMEOUT": "60",
        **more,
    }


def command(script: str, *options: str) -> list[str]:
    """The command that runs a script in Octave. Skips the test where there is no Octave."""
    octave = shutil.which("octave-cli")
    if octave is None:
        pytest.skip("octave-cli is not installed; 'make octave' installs it")
    folders = [ROOT / "bindings" / "matlab", ROOT / "tests" / "matlab"]
    paths = "".join(f"addpath('{str(folder).replace(chr(39), chr(39) * 2)}'); " for folder in folders)
    return [octave, "--no-gui", "--no-history", "--no-window-system", *options, "--eval", paths + script]


def run(script: str, folder: Path, transport: str = "pipe", timeout: float = 240, **more: str) -> str:
    """Run a script; gives what it printed, and fails with it when Octave fails."""
    result = subprocess.run(
        command(script),
        env=environment(folder, transport, **more),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def bridge_is_gone(folder: Path, seconds: float = 20) -> bool:
    """Whether nothing is left of a bridge of `environment`, neither process nor folder, after a while at the latest."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any((folder / "bridges").iterdir()) and not _processes(str(folder / "bridges")):
            return True
        time.sleep(0.05)
    return False


def _processes(words: str) -> list[int]:
    """Processes whose command line has these words."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and words.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found
