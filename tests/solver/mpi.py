"""Starting jobs of several ranks for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MPIEXEC = Path(sys.executable).with_name("mpiexec")
"""The launcher that comes with the mpich wheel, beside the interpreter."""

OVER_TCP = {
    "MPIR_CVAR_NOLOCAL": "1",
    "MPIR_CVAR_CH4_NETMOD": "ofi",
    "FI_PROVIDER": "tcp",
    "FI_TCP_IFACE": "lo",
}
"""What makes MPICH's ranks of one computer talk as those of several do: over TCP, through the loopback device."""


@contextmanager
def job(ranks: int, command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A command as so many ranks, with one thread each. It is ended with the block."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([str(MPIEXEC), "-n", str(ranks), *command], env=environment, text=True, **options) as started:
        try:
            yield started
        finally:
            started.terminate()


def run(ranks: int, script: str, *arguments: object) -> str:
    """Run a script as so many ranks in the working directory; gives what they print."""
    Path("script.py").write_text(textwrap.dedent(script))  # mpich's launcher takes no line feeds in arguments
    command = [sys.executable, "-m", "mpi4py", "script.py", *map(str, arguments)]  # which ends all when one fails
    with job(ranks, command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as started:
        out, _ = started.communicate(timeout=120)
    assert started.returncode == 0, out
    return out
