"""This package in a process of its own: ``ours.py FOLDER inference|training THREADS``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from protocol import serve

import caffe_sdk
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter, SolverParameter
from caffe_sdk.threads import set_num_threads


def main() -> None:
    """Build what the folder holds and serve it."""
    folder, mode, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    set_num_threads(threads)
    data, label = np.load(folder / "data.npy"), np.load(folder / "label.npy")
    if mode == "inference":
        net = Net(folder / "net.prototxt", "test", weights=folder / "net.caffemodel")
        net.blobs["data"].data[...] = data

        def forward() -> np.ndarray:
            net.blobs["data"].data  # noqa: B018 (whoever gets it may write to it, so these images count as new)
            return next(iter(net.forward().values()))

        forward()
        serve(caffe_sdk.__version__, forward, lambda: forward().ravel().tolist())
    else:
        train(folder, data, label)


def train(folder: Path, data: np.ndarray, label: np.ndarray) -> None:
    """Serve steps of SGD; to check, the losses of two steps, of which the second shows what the first has changed."""
    how = json.loads((folder / "net.json").read_text())["training"]
    param = SolverParameter(base_lr=how["rate"], lr_policy="fixed", momentum=how["momentum"], weight_decay=how["decay"])
    param.net_param.CopyFrom(prototxt.read(folder / "net.prototxt", NetParameter))
    solver = caffe_sdk.get_solver(param)
    solver.net.copy_from(folder / "net.caffemodel")
    images, labels = solver.net.blobs["data"].data, solver.net.blobs["label"].data
    images[...], labels[...] = data, label

    def losses() -> list[float]:
        return [(solver.step(1), float(solver.net.blobs["loss"].data))[1] for _ in range(3)]

    serve(caffe_sdk.__version__, lambda: solver.step(1), losses)


if __name__ == "__main__":
    main()
