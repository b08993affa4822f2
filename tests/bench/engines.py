"""How much faster one engine is than another: the same net on each of them, in turns.

::

    python tests/bench/engines.py caffenet --batch 10
    python tests/bench/engines.py caffenet --batch 32 --train --engines reference portable

A step is an inference, or with ``--train`` an iteration of SGD: forward, backward and update. All engines take turns in
one process, so what disturbs one disturbs the others, with a pause in between where threads of the one before would be
waiting awake; ``--clock cpu`` counts the processor's time instead, which says more where others keep it busy. What a
first step takes, with everything made that is made once, is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import caffe_sdk
from caffe_sdk.engine import names, use
from caffe_sdk.net import Net
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.threads import num_threads, set_num_threads
from tests.bench.models import NETS

PAUSE = 0.1
"""Seconds after which threads of BLAS and of OpenMP sleep."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def step_of(name: str, batch: int, train: bool) -> Callable[[], object]:
    """What is timed, on a net of random images."""
    rng = np.random.default_rng(1)
    if train:
        param = SolverParameter(base_lr=1e-4, lr_policy="fixed", momentum=0.9, weight_decay=5e-4)
        param.net_param.CopyFrom(NETS[name](batch, train))
        solver = caffe_sdk.get_solver(param)
        net = solver.net
        net.blobs["label"].data[...] = rng.integers(0, 10, batch)
    else:
        net = Net(NETS[name](batch, train), "test")
    net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].shape)
    return (lambda: solver.step(1)) if train else net.forward


def compare(
    engines: list[str], name: str, batch: int, train: bool, rounds: int, clock: Callable[[], float]
) -> tuple[list[float], list[list[float]]]:
    """Milliseconds of each engine's first step, and of its steps afterwards, one a round."""
    steps, first = [], []
    for engine in engines:
        with use(engine):
            step = step_of(name, batch, train)
            first.append(_milliseconds(step, clock))
            step()
            steps.append(step)
    times: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds):
        for engine, step, each in zip(engines, steps, times, strict=True):
            time.sleep(PAUSE if num_threads() > 1 else 0)
            with use(engine):
                each.append(_milliseconds(step, clock))
    return first, times


def _milliseconds(step: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    step()
    return (clock() - start) * 1e3


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--train", action="store_true", help="an iteration of SGD; else inference")
    parser.add_argument("--engines", nargs="+", choices=names(), default=["reference", "portable", "cpu"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    given = parser.parse_args()
    set_num_threads(given.threads)
    first, times = compare(given.engines, given.net, given.batch, given.train, given.rounds, CLOCKS[given.clock])
    print(
        f"{'engine':10s} {'first ms':>9s} {'median ms':>10s} {'minimum ms':>11s}  of {given.engines[0]}: median  minima"
    )
    for engine, once, each in zip(given.engines, first, times, strict=True):
        ratio = statistics.median(a / b for a, b in zip(times[0], each, strict=True))
        numbers = f"{once:9.1f} {statistics.median(each):10.2f} {min(each):11.2f}"
        print(f"{engine:10s} {numbers} {ratio:21.2f} {min(times[0]) / min(each):7.2f}")


if __name__ == "__main__":
    main()
