"""A virtual environment with the programs we are compared with, apart from the package's own, kept between runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = (
    "numpy==2.4.6",
    "torch==2.13.0",
    "onnxruntime==1.32.0",
    "openvino==2026.4.1",
    "opencv-python-headless==5.0.0.93",
)
"""The builds measured. Any build of PyTorch computes on the processor; the one for processors alone is much smaller."""


def folder() -> Path:
    """Where the environment for these requirements is, or will be."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(" ".join((sys.version, *REQUIREMENTS)).encode()).hexdigest()[:12]
    return caches / "caffe_sdk" / "bench" / f"peers-{key}"


def ready() -> Path:
    """The environment's Python, made first if need be; CalledProcessError when a package cannot be installed."""
    home = folder()
    python, done = home / "bin" / "python", home / "ready"
    if not done.exists():
        print(f"installing {', '.join(REQUIREMENTS)} into {home}", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        done.touch()
    return python
