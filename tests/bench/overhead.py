"""What pycaffe's interface costs on top of the engine: a forward pass of one layer, and looking at a blob.

::

    OMP_NUM_THREADS=1 python tests/bench/overhead.py

``net.forward()`` is compared with the run of the program the engine has compiled for the same net, by turns in one
process. The aims: 20 us for the forward pass, 2 us for ``net.blobs["data"]``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk import TEST, Net, NetSpec
from caffe_sdk import layers as L

Action = Callable[[], object]
AIMS = {"net.forward()": 20.0, "net.forward(data=x)": 20.0, "net._forward(0, 1)": 20.0, 'net.blobs["data"]': 2.0}
"""Microseconds each may cost more than what it is compared with."""


def one_layer(size: int) -> Net:
    """An input and a ReLU."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, size]})
    n.relu = L.ReLU(n.data)
    return Net(n.to_proto(), TEST)


def program_of(net: Net) -> Action:
    """The run of the engine's program for the whole net."""
    net.forward()
    return net._executor._program("forward", 0, len(net.layers) - 1).run


def microseconds(actions: dict[str, Action], rounds: int) -> dict[str, tuple[float, float]]:
    """Median and minimum of each action's time; the actions take turns, call by call."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            times[name].append((time.perf_counter() - start) * 1e6)
    return {name: (statistics.median(each), min(each)) for name, each in times.items()}


def actions_of(net: Net) -> dict[str, Action]:
    """The engine's replay, and what is compared with it."""
    x = net.blobs["data"].data.copy()
    return {
        "engine": program_of(net),
        "net.forward()": net.forward,
        "net.forward(data=x)": lambda: net.forward(data=x),
        "net._forward(0, 1)": lambda: net._forward(0, 1),
        "nothing": lambda: net,
        'net.blobs["data"]': lambda: net.blobs["data"],
        'net.blobs["data"].data': lambda: net.blobs["data"].data,
    }


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--size", type=int, default=16, help="numbers the layer computes with")
    given = parser.parse_args()
    times = microseconds(actions_of(one_layer(given.size)), given.rounds)
    print(f"{'':24s} {'median':>8s} {'minimum':>8s} {'over':>8s} {'aim':>6s}  (us)")
    for name, (median, minimum) in times.items():
        base = times["engine" if "forward" in name else "nothing"][0] if name in AIMS else median
        aim = f"{AIMS[name]:6.0f}" if name in AIMS else ""
        print(f"{name:24s} {median:8.2f} {minimum:8.2f} {median - base:8.2f} {aim}")


if __name__ == "__main__":
    main()
