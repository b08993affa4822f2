"""A training that is killed again and again, at any moment, and goes on each time from the last snapshot that is there.

::

    python tests/bench/kills.py --kills 200 --format HDF5

Snapshots are taken in every iteration, so many kills hit the writing of one. After each kill every snapshot that is
there must be readable, none that was told of may be lost (but for those that ``keep_last`` deletes), and at the end the
weights must be those of a training that nobody disturbed, bit for bit: with crops, mirroring and dropout.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk.solver import get_solver
from tests.solver.models import DIGITS, SGD, assert_same, weights, write, write_digits

ROOT = Path(__file__).resolve().parents[2]
KEPT = 2
SOLVER = SGD + 'snapshot: 1 snapshot_prefix: "s" average_loss: 3 max_iter: 1000000 snapshot_format: '
SCRIPT = f"""
import sys
from caffe_sdk import get_solver
from caffe_sdk.solver import Options, Snapshot
solver = get_solver("solver.prototxt", Options(keep_last={KEPT}))
for path in sys.argv[1:]:
    solver.restore(path)
for event in solver.events():
    if isinstance(event, Snapshot):
        print(event.iteration, flush=True)
"""


def iteration_of(path: Path) -> int:
    """The iteration in a snapshot's name."""
    return int(path.name.split("_")[-1].split(".")[0])


def states() -> list[Path]:
    """The solverstates that are there, the latest last."""
    return sorted(Path().glob("s_iter_*.solverstate*"), key=iteration_of)


def kill_once(after: float) -> int:
    """Train from the last snapshot on, kill that ``after`` seconds; gives the last iteration that it told of."""
    last = [path.name for path in states()[-1:]]
    command = [sys.executable, "-c", SCRIPT, *last]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        told = [run.stdout.readline()]  # training is under way
        time.sleep(after)
        run.kill()
        told += run.stdout.read().splitlines()
    whole = [int(line) for line in told if line.strip().isdigit()]
    assert whole, "the training did not go on"
    return whole[-1]


def killed_often(kills: int, rng: np.random.Generator, form: str = "BINARYPROTO") -> int:
    """Kill a training in the working directory so often; gives the iteration it reached.

    AssertionError when anything is lost.
    """
    write_digits(Path())
    write(Path(), SOLVER + form, DIGITS)
    reached = 0
    with get_solver("solver.prototxt") as reader:
        for _ in range(kills):
            told = kill_once(rng.uniform(0, 0.2))
            there = states()
            assert told > reached, f"after iteration {reached} it went on from {told}"
            assert iteration_of(there[-1]) >= told, f"snapshot {told} was told of, and the last is {there[-1]}"
            assert len(there) <= KEPT + 1
            for path in there:
                reader.restore(path)
                assert reader.iter == iteration_of(path)
            reached = reader.iter
        reader.step(1)  # which sweeps what was left half-written
        got = weights(reader)
    assert not list(Path().glob(".*"))
    with get_solver("solver.prototxt") as whole:
        whole.param.snapshot = 0
        whole.step(reached + 1)
        assert_same(got, weights(whole))
    return reached


def main() -> None:
    """Kill, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--format", default="BINARYPROTO", choices=("BINARYPROTO", "HDF5"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        reached = killed_often(options.kills, np.random.default_rng(options.seed), options.format)
        os.chdir(ROOT)
    print(f"{options.kills} kills, {reached} iterations: every snapshot readable, none lost, weights bit for bit")


if __name__ == "__main__":
    main()
