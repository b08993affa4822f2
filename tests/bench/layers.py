"""Where the time of a net goes, step by step, and how it compares with another program of the same net.

::

    python tests/bench/layers.py resnet50 --batch 8 --train
    python tests/bench/layers.py googlenet --against prototype.py

The steps are those the cpu engine compiled: oneDNN's primitives, loops of its own, and operations left to NumPy. With
``--against`` a Python file is loaded that has ``NETS``: functions of batch size and ``train`` that give an object with
``forward`` and ``backward``. Both take turns in one process, so what disturbs one disturbs the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk import engine
from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.compile import CompiledProgram
from caffe_sdk.net import Net
from caffe_sdk.threads import set_num_threads
from tests.bench.models import NETS

Step = Callable[[], object]
"""One inference, or one forward and backward pass of training."""


def filled(name: str, batch: int, train: bool) -> Net:
    """A net whose inputs are random numbers, the same each time."""
    net = Net(NETS[name](batch, train), "train" if train else "test")
    rng = np.random.default_rng(1)
    net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].shape)
    if train:
        net.blobs["label"].data[...] = rng.integers(0, 10, batch)
    return net


def step_of(net: Net, train: bool) -> Step:
    """What is timed: forward, and in training backward too; gradients begin with 0 each time."""
    last = len(net.layers) - 1

    def step() -> None:
        net._forward(0, last)
        if train:
            net.clear_param_diffs()
            net._backward(last, 0)

    return step


def programs_of(run: Step) -> list[CompiledProgram]:
    """The programs the cpu engine compiles while something runs."""
    found: list[CompiledProgram] = []
    computing = engine.current()
    assert isinstance(computing, CpuEngine)
    compile_calls = computing.compile

    def watching(*arguments: Any, **more: Any) -> Any:
        program = compile_calls(*arguments, **more)
        assert isinstance(program, CompiledProgram)
        found.append(program)
        return program

    computing.compile = watching  # type: ignore[method-assign]
    try:
        run()
    finally:
        del computing.compile
    return found


def listed(programs: list[CompiledProgram], rounds: int) -> list[tuple[str, float]]:
    """Every step with the median of its times in seconds."""
    steps: list[tuple[str, float]] = []
    times: list[list[list[float]]] = [[] for _ in programs]
    for _ in range(rounds):
        for program, seconds in zip(programs, times, strict=True):
            seconds.append(program.timed())
    for program, seconds in zip(programs, times, strict=True):
        medians = (statistics.median(each) for each in zip(*seconds, strict=True))
        steps += zip(program.names(), medians, strict=True)
    return steps


def printed(steps: list[tuple[str, float]], every: bool) -> None:
    """Print times by kind of step, and each step with ``every``."""
    total = sum(seconds for _, seconds in steps)
    if every:
        for name, seconds in steps:
            print(f"{seconds * 1e3:9.3f} ms  {name}")
        print()
    kinds: dict[str, list[float]] = {}
    for name, seconds in steps:
        kinds.setdefault(name, []).append(seconds)
    for name, each in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(each) * 1e3:9.3f} ms {sum(each) / total:6.1%} {len(each):5d}  {name}")
    print(f"{total * 1e3:9.3f} ms in {len(steps)} steps")


def other_of(path: Path, name: str, batch: int, train: bool) -> Step:
    """The same step of a net that another file makes."""
    spec = importlib.util.spec_from_file_location("other", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.NETS[name](batch, train)

    def step() -> None:
        net.forward()
        if train:
            net.backward()

    return step


def compared(ours: Step, other: Step, rounds: int) -> None:
    """Print both times, medians and minima, and the median of the ratios of neighbours (above 1: ours is faster)."""
    pairs = []
    for _ in range(rounds):
        pair = []
        for step in (ours, other):
            start = time.perf_counter()
            step()
            pair.append((time.perf_counter() - start) * 1e3)
        pairs.append(pair)
    for who, times in zip(("ours", "other"), zip(*pairs, strict=True), strict=True):
        print(f"{who:6s} median {statistics.median(times):9.2f} ms  minimum {min(times):9.2f} ms")
    print(f"ratio  median {statistics.median(b / a for a, b in pairs):6.3f}  of minima {_minima(pairs):6.3f}")


def _minima(pairs: list[list[float]]) -> float:
    return min(b for _, b in pairs) / min(a for a, _ in pairs)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--train", action="store_true", help="forward and backward; else inference")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--every", action="store_true", help="print every step, not only the kinds")
    parser.add_argument("--against", type=Path, help="a Python file with NETS to compare with")
    given = parser.parse_args()
    set_num_threads(given.threads)
    with engine.selection.use("cpu"):
        step = step_of(filled(given.net, given.batch, given.train), given.train)
        programs = programs_of(step)
        step()
        if given.against:
            other = other_of(given.against, given.net, given.batch, given.train)
            other()
            compared(step, other, given.rounds)
        else:
            printed(listed(programs, given.rounds), given.every)


if __name__ == "__main__":
    main()
