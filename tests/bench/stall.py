"""How long training waits for data: a net with a Data layer in front, fed from a database of 256 x 256 records.

::

    python tests/bench/stall.py
    python tests/bench/stall.py --kind jpeg --batch 32 --steps 20 --threads 2
    CAFFE_ENGINE=cuda python tests/bench/stall.py --batch 256

After a few steps that nobody counts, the time of every step is divided: ``waits`` is what the net spends waiting for a
batch that is not ready, ``data layer`` everything from asking for a batch to its numbers in the blob. By the clock, so
what else runs on the computer counts too.

On a GPU ``GPU waits`` is the time, by events on its stream, in which the GPU has nothing to do because a batch is not
there: from the end of all that it was asked for before, or from when the data layer is come to if that is later, until
the batch has arrived. The host waits elsewhere then, for the loss.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import caffe_sdk as caffe
from caffe_sdk.engine.cuda.device import Device, Mark
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import LayerParameter, SolverParameter
from caffe_sdk.solver import SGDSolver
from tests.bench import data, models

WARM = 3  # steps: compiling, choosing, the first batches

LAYER = """
name: "data" type: "Data" top: "data" top: "label"
transform_param {{ crop_size: {crop} mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }}
data_param {{ source: "{path}" backend: {backend} batch_size: {batch} }}
"""


def solver(name: str, batch: int, database: Path) -> SGDSolver:
    """A solver of one of the nets of `models`, its Input layers replaced by a Data layer."""
    net = models.NETS[name](batch, train=True)
    kept = [layer for layer in net.layer if layer.type != "Input"]
    backend = "LEVELDB" if database.name == "leveldb" else "LMDB"
    text = LAYER.format(crop=data.CROP, path=database, backend=backend, batch=batch)
    del net.layer[:]
    net.layer.extend([prototxt.parse(text, LayerParameter), *kept])
    param = SolverParameter(base_lr=1e-4, lr_policy="fixed", momentum=0.9, weight_decay=5e-4, random_seed=1)
    param.net_param.CopyFrom(net)
    return SGDSolver(param)


def timed(function: Callable[..., Any], total: list[float]) -> Callable[..., Any]:
    """The function, which from now on adds the seconds it takes to ``total``."""

    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            total[0] += time.perf_counter() - start

    return call


class Stalls:
    """When a device stands still because a batch is not there: pairs of marks on its stream, made by a data layer."""

    def __init__(self, layer: Any, device: Device) -> None:
        self._device, self._follow, self._forward = device, device.follow, layer.forward
        self._pairs: list[tuple[Mark, Mark]] = []
        self._come: Mark | None = None
        layer.forward = self._enter
        device.follow = self._wait  # type: ignore[method-assign]

    def _enter(self, *arguments: Any) -> None:
        self._come = self._device.mark(timed=True)
        self._forward(*arguments)

    def _wait(self, mark: Mark) -> None:
        begin = self._come or self._device.mark(timed=True)
        self._come = None
        self._follow(mark)
        self._pairs.append((begin, self._device.mark(timed=True)))

    def seconds(self) -> float:
        """Of all pairs so far."""
        return sum(self._device.seconds(begin, end) for begin, end in self._pairs)

    def forget(self) -> None:
        """Begin anew."""
        self._pairs.clear()


def measure(ours: SGDSolver, steps: int, stalls: Stalls | None = None) -> list[tuple[float, float, float]]:
    """Seconds of each step; in the data layer; waiting. ``stalls`` begin anew when they count."""
    layer = ours.net.layers[0]
    ours.step(WARM)
    if stalls is not None:
        stalls.forget()
    in_layer, waiting = [0.0], [0.0]
    layer.forward = timed(layer.forward, in_layer)
    batches = layer.batches()
    batches.next_batch = timed(batches.next_batch, waiting)
    found = []
    for _ in range(steps):
        in_layer[0] = waiting[0] = 0.0
        start = time.perf_counter()
        ours.step(1)
        found.append((time.perf_counter() - start, in_layer[0], waiting[0]))
    return found


def main() -> None:
    """Print what a step takes, and which shares of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--net", default="caffenet", choices=sorted(models.NETS))
    parser.add_argument("--kind", default="leveldb", choices=("leveldb", "lmdb", "jpeg"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--records", type=int, default=256)
    parser.add_argument("--threads", type=int, default=0, help="of the engine (default: as usual)")
    options = parser.parse_args()
    if options.threads:
        caffe.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        data.make(Path(folder), options.records)
        ours = solver(options.net, options.batch, Path(folder) / options.kind)
        device = getattr(ours.net.engine, "device", None)
        stalls = Stalls(ours.net.layers[0], device) if device is not None else None
        steps = measure(ours, options.steps, stalls)
    step, layer, waits = (sum(column) for column in zip(*steps, strict=True))
    middle = statistics.median(seconds for seconds, _, _ in steps)
    print(f"{options.net}, batch {options.batch}, {options.kind}: {1000 * middle:.1f} ms a step", end="; ")
    print(f"data layer {100 * layer / step:.2f} %, waits {100 * waits / step:.2f} %", end="")
    print("" if stalls is None else f", GPU waits {100 * stalls.seconds() / step:.2f} %")


if __name__ == "__main__":
    main()
