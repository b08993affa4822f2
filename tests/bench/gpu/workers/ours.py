"""This package on a GPU, in a process of its own: ``ours.py FOLDER inference|training``; CAFFE_ENGINE says which.

The data is on the GPU already, and a step ends when the GPU has done it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "peers" / "workers"))

from protocol import serve_many

import caffe_sdk
from caffe_sdk.memory import HOST
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter, SolverParameter

Way = tuple[Callable[[], object], Callable[[], list[float]]]


def fill(net: Net, batch: int) -> None:
    """A batch of images, the same for everybody; nobody holds views, which would be brought to the GPU each time."""
    rng = np.random.default_rng(1)
    for name in net.inputs:
        net.blobs[name].reshape(batch, *net.blobs[name].shape[1:])
    net.reshape()
    for name in net.inputs:
        blob = net.blobs[name]
        values = rng.integers(0, 10, batch) if name == "label" else rng.standard_normal(blob.shape, np.float32)
        blob.data_memory.write(HOST)[: blob.count] = values.reshape(-1)


def inference(folder: Path) -> Callable[[int], dict[str, Way]]:
    """Builds batches for a net that is there once."""
    net = Net(folder / "net.prototxt", "test", weights=folder / "net.caffemodel")
    last = len(net.layers) - 1

    def build(batch: int) -> dict[str, Way]:
        fill(net, batch)

        def step() -> None:
            net._forward(0, last)
            net.engine.wait()

        def check() -> list[float]:
            step()
            numbers: list[float] = net.blobs[net.outputs[0]].data_memory.read(HOST).tolist()
            return numbers

        step()
        return {"ours": (step, check)}

    return build


def training(folder: Path) -> Callable[[int], dict[str, Way]]:
    """Builds batches for a solver that is made for each."""
    how = json.loads((folder / "net.json").read_text())["training"]
    param = SolverParameter(base_lr=how["rate"], lr_policy="fixed", momentum=how["momentum"], weight_decay=how["decay"])
    param.net_param.CopyFrom(prototxt.read(folder / "net.prototxt", NetParameter))
    made: list[Any] = []

    def build(batch: int) -> dict[str, Way]:
        while made:
            made.pop().close()
        solver = caffe_sdk.get_solver(param)
        made.append(solver)
        solver.net.copy_from(folder / "net.caffemodel")
        fill(solver.net, batch)

        def step() -> None:
            solver.step(1)
            solver.net.engine.wait()

        def losses() -> list[float]:
            found = []
            for _ in range(3):
                step()
                found.append(float(solver.net.blobs["loss"].data_memory.read(HOST)[0]))
            return found

        return {"ours": (step, losses)}

    return build


if __name__ == "__main__":
    serve_many(caffe_sdk.__version__, {"inference": inference, "training": training}[sys.argv[2]](Path(sys.argv[1])))
