"""How long large tensors take there and back: 39 MB into a net on a server of another process, and out of it.

    python -m tests.bench.tensors [repetitions]

As the client does it (in chunks), in one message, and, for scale, a copy of the array in memory; each way in turn, so
that what else the computer does falls on all alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from caffe_sdk import client
from caffe_sdk.memory import Array

VALUES = 9_750_000  # 39 MB
NET = f'layer {{ name: "d" type: "Input" top: "d" input_param {{ shape {{ dim: {VALUES} }} }} }}'
COMMAND = [sys.executable, "-m", "caffe_sdk.cli", "serve", "--address", "127.0.0.1:0"]


def measure(repetitions: int, values: int = VALUES) -> dict[str, list[float]]:
    """Seconds of each way there and back."""
    array = np.random.default_rng(0).random(values, np.float32)
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("listening on ").strip()
        try:
            with client.connect(address) as remote:
                net = remote.net(NET.replace(str(VALUES), str(values)))
                return _in_turn(ways(remote, net, array), repetitions)
        finally:
            process.terminate()


def ways(remote: client.Client, net: client.RemoteNet, array: Array) -> dict[str, Callable[[], Array]]:
    """What is measured; each gives the array that came back."""

    def message() -> Array:
        pieces, remote.limit = remote.limit, 2**31
        try:
            return net.forward(d=array)["d"]
        finally:
            remote.limit = pieces

    def blob() -> Array:
        net.blobs["d"].data = array
        return net.blobs["d"].data

    return {"forward": lambda: net.forward(d=array)["d"], "blob": blob, "one message": message, "copy": array.copy}


def _in_turn(ways: dict[str, Callable[[], Array]], repetitions: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def main(repetitions: int) -> None:
    """Print median and minimum of each way."""
    for name, seconds in measure(repetitions).items():
        print(f"{name:12} median {statistics.median(seconds):.3f} s, minimum {min(seconds):.3f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
