"""CaffeNet beside a program in C++ that computes it as the original did: windows unrolled, OpenBLAS, plain loops.

::

    python tests/bench/original.py /path/to/program --batch 10 --rounds 7
    python tests/bench/original.py /path/to/program --batch 32 --train

The program is not part of this repository. It is called with a batch size and "train" or "test", says "ready" once it
has run, and then answers each line "go N" with the milliseconds of one of N steps by the clock and by the processor. It
runs with OpenBLAS as the system ships it, and told to use its kernels for AVX-512, and those for SSE3, which it falls
back to where it does not know the processor; in turns with us, on one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

CORES = {"as shipped": {}, **{core: {"OPENBLAS_CORETYPE": core} for core in ("SkylakeX", "Prescott")}}
"""The environments of the other program, by what they choose of OpenBLAS."""

Step = Callable[[], float]
"""Takes a step and says how many seconds of the processor it took."""


class Original:
    """The other program, ready to be asked for steps."""

    def __init__(self, program: Path, batch: int, train: bool, environment: dict[str, str]) -> None:
        command = [program, str(batch), "train" if train else "test"]
        alone = {**os.environ, **environment, "OPENBLAS_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen(command, env=alone, **pipes)  # type: ignore[call-overload]
        if self.process.stdout.readline().strip() != "ready":
            self.close()
            raise RuntimeError(f"{program}: says something else than 'ready'")

    def step(self) -> float:
        """How many seconds of the processor a step took."""
        self.process.stdin.write("go 1\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[1]) / 1e3

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def ours(batch: int, train: bool) -> Step:
    """A step of ours: a forward pass, or an iteration of training."""
    from caffe_sdk.threads import set_num_threads
    from tests.bench.engines import step_of

    set_num_threads(1)
    run = step_of("caffenet", batch, train)

    def step() -> float:
        began = time.process_time()
        run()
        return time.process_time() - began

    step()
    return step


def main() -> None:
    """Read the command line, take turns, and print ratios: medians, and of the quickest steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    originals = {name: Original(given.program, given.batch, given.train, what) for name, what in CORES.items()}
    steps: dict[str, Step] = {"ours": ours(given.batch, given.train)}
    steps |= {name: original.step for name, original in originals.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(given.rounds):
        for name, step in steps.items():
            seconds[name].append(step())
    for original in originals.values():
        original.close()
    print(f"ours {statistics.median(seconds['ours']) * 1e3:.1f} ms (least {min(seconds['ours']) * 1e3:.1f})")
    for name in originals:
        ratios = [a / b for a, b in zip(seconds[name], seconds["ours"], strict=True)]
        print(f"{name}: {statistics.median(ratios):.2f} ({min(seconds[name]) / min(seconds['ours']):.2f}) times ours")


if __name__ == "__main__":
    main()
