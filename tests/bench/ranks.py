"""How much faster several ranks train LeNet than one, and how far their ways part.

::

    python tests/bench/ranks.py mnist_train_leveldb --ranks 2 --rounds 5

One rank and several take turns, each rank with one thread and the same batch; speeds are images per second, tests and
the first iterations (in which programs are compiled) left out. At last one rank with the images of all shows how far
losses part over 50 iterations: by rounding, which grows as training goes on, so one rank that adds the same gradients
in another order (``iter_size``) stands beside it for comparison.

It needs the extra ``mpi``, and as many free cores as ranks: MPI waits busily, so a core that somebody else uses too
makes all ranks wait.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "caffe_sdk" / "models" / "lenet"
UNTIMED = 20
WORKER = """
import json, sys
from caffe_sdk import get_solver
from caffe_sdk.solver import Iteration, parallel
peers = parallel.join()
solver = get_solver("lenet_solver.prototxt", peers=peers)
events = [event for event in solver.events(int(sys.argv[1])) if isinstance(event, Iteration)]
if peers.rank == 0:
    print(json.dumps({"losses": [e.loss for e in events], "seconds": [e.seconds for e in events]}))
"""


def write_lenet(folder: Path, database: str, batch: int, iter_size: int) -> None:
    """LeNet's files in a folder, without tests and snapshots."""
    net = (MODELS / "lenet_train_test.prototxt").read_text().replace("batch_size: 64", f"batch_size: {batch}")
    solver = re.sub(r"(?m)^(test_\w+|snapshot): .*\n", "", (MODELS / "lenet_solver.prototxt").read_text())
    (folder / "lenet_train_test.prototxt").write_text(net.replace("mnist_train_leveldb", database))
    (folder / "lenet_solver.prototxt").write_text(solver + f"\nrandom_seed: 1\niter_size: {iter_size}\n")
    (folder / "worker.py").write_text(WORKER)


def run(database: str, ranks: int, batch: int, iterations: int, iter_size: int = 1) -> dict[str, Any]:
    """Losses and seconds of the iterations of a job."""
    with tempfile.TemporaryDirectory() as folder:
        write_lenet(Path(folder), database, batch, iter_size)
        launcher = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks)] if ranks > 1 else []
        worker = [sys.executable, "-m", "mpi4py"] if ranks > 1 else [sys.executable]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [*launcher, *worker, "worker.py", str(iterations)]
        out = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


class Speed(NamedTuple):
    """Images per second: of the median iteration, and of the fastest, which other work on the computer spares."""

    median: float
    fastest: float


def speed(database: str, ranks: int, batch: int, iterations: int) -> Speed:
    """How fast a job trains."""
    seconds = run(database, ranks, batch, UNTIMED + iterations)["seconds"][UNTIMED:]
    return Speed(ranks * batch / statistics.median(seconds), ranks * batch / min(seconds))


def main() -> None:
    """Take turns, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", help="MNIST's training images, as `caffe data mnist` makes them")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    database, ranks, batch = os.path.abspath(options.database), options.ranks, options.batch
    alone, together = [], []
    for number in range(options.rounds):
        alone.append(speed(database, 1, batch, options.iterations))
        together.append(speed(database, ranks, batch, options.iterations))
        for what, job in (("1 rank", alone), (f"{ranks} ranks", together)):
            print(f"round {number}: {what}: {job[-1].median:.0f} images/s, fastest {job[-1].fastest:.0f}", flush=True)
    medians = statistics.median(b.median / a.median for a, b in zip(alone, together, strict=True))
    fastest = max(each.fastest for each in together) / max(each.fastest for each in alone)
    print(f"median ratio {medians:.2f}, ratio of the fastest {fastest:.2f}")
    whole = run(database, 1, ranks * batch, 50)["losses"]
    for what, losses in (
        (f"{ranks} ranks", run(database, ranks, batch, 50)["losses"]),
        (f"1 rank with iter_size {ranks}", run(database, 1, batch, 50, ranks)["losses"]),
    ):
        apart = [abs(a - b) / a for a, b in zip(whole, losses, strict=True)]
        print(
            f"{what} against 1 with {ranks * batch} images: losses part by {max(apart[:5]):.0e}, {max(apart):.0e} at 50"
        )


if __name__ == "__main__":
    main()
