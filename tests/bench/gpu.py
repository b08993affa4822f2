"""How long nets take on a GPU: a row for each net, batch and way.

::

    python tests/bench/gpu.py --nets caffenet resnet50 --batches 1 64 256

Inference ends with the scores at the host, training with the loss there: a GPU is asked and waited for. The data is on
the GPU already. With ``--engine`` any other engine is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from caffe_sdk import engine
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST
from tests.bench.layers import filled, step_of
from tests.bench.models import NETS

RUNS = 10
DAY = 86400


def milliseconds(step: Callable[[], object], runs: int) -> float:
    """The median time of a step that has been captured."""
    for _ in range(3):
        step()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def row(name: str, batch: int, train: bool, runs: int) -> str:
    """A net's row of the table; where memory ends it says so."""
    way = "training" if train else "inference"
    try:
        with filled(name, batch, train) as net:
            step, last = step_of(net, train), list(net.blobs.values())[-1]

            def waited() -> None:
                step()
                last.data_memory.read(HOST)

            taken = milliseconds(waited, runs)
    except DeviceError as error:
        return f"| {name} | {batch} | {way} | {error.what} | | |"
    images = batch / taken * 1e3
    return f"| {name} | {batch} | {way} | {taken:.2f} | {images:,.0f} | {images * DAY / 1e6:,.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="cuda")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=["caffenet", "googlenet", "vgg16", "resnet50"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64, 256])
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    print("| net | batch | | ms | images/s | million images a day |\n| --- | ---: | --- | ---: | ---: | ---: |")
    with engine.use(options.engine):
        for name in options.nets:
            for train in (False, True):
                for batch in options.batches:
                    print(row(name, batch, train, options.runs), flush=True)


if __name__ == "__main__":
    main()
