"""What a call from Octave costs, over both transports: `measure_latency.m` in an Octave of its own.

::

    python tests/bench/matlab.py --rounds 200
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def measured(transport: str, rounds: int) -> str:
    """What `measure_latency.m` prints: a line for each kind of call."""
    from tests.matlab import octave

    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        script = f"addpath('{ROOT / 'tests' / 'bench'}'); measure_latency({rounds})"
        settings = {"CAFFE_ENGINE": "cpu", "CAFFE_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return octave.run(script, Path(folder), transport, timeout=600, **settings)


def _memory() -> str | None:
    """Where bridges have their folders: in memory where that is possible, as for a user."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> None:
    """Read the command line, measure, and print medians and minima."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    for transport in ("pipe", "tcp"):
        print(f"{transport}\n{measured(transport, arguments.rounds)}", end="")


if __name__ == "__main__":
    main()
