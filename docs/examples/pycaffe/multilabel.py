"""Several labels for each picture, from a data layer written in Python.

After pycaffe's notebook pascal-multilabel-with-datalayer, with shapes instead of PASCAL's photos.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import digits
import numpy as np

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P

sys.path.append(str(Path(__file__).parent))  # where shape_layers is


def main() -> None:
    """Learn to say which shapes a picture shows."""
    given = digits.options(__doc__, iterations=300)
    with digits.solver(given.output, net(32, seed=1), net(100, seed=2), base_lr=0.05) as solver:
        solver.share_weights(solver.test_nets[0])
        print(f"accuracy  {hamming(solver, 2):.3f} before training; always saying no: {nothing(solver):.3f}")
        for _ in range(3):
            solver.step(given.iterations // 3)
            print(f"iteration {solver.iter:4d}: accuracy {hamming(solver, 2):.3f}")
        test = solver.test_nets[0]
        pictures, labels = test.blobs["data"].data[:4, 0], test.blobs["label"].data[:4]
        scores = test.blobs["score"].data[:4]
        names = np.array(["square", "disc", "cross"])
        panels = [
            (f"is {'+'.join(names[truth > 0]) or 'empty'}\nfound {'+'.join(names[guess > 0]) or 'nothing'}", picture)
            for picture, truth, guess in zip(pictures, labels, scores, strict=True)
        ]
        digits.figure(given.output / "shapes.png", *panels)


def net(batch_size: int, seed: int) -> Any:
    """A small convolutional net with a score for each kind of shape."""
    n = caffe.NetSpec()
    params = json.dumps({"batch_size": batch_size, "seed": seed})
    n.data, n.label = L.Python(module="shape_layers", layer="ShapesLayer", ntop=2, param_str=params)
    filler = {"weight_filler": {"type": "xavier"}}
    n.conv1 = L.Convolution(n.data, kernel_size=7, num_output=12, **filler)
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, kernel_size=3, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=3, num_output=16, **filler)
    n.relu2 = L.ReLU(n.conv2, in_place=True)
    n.pool2 = L.Pooling(n.relu2, global_pooling=True, pool=P.Pooling.MAX)
    n.score = L.InnerProduct(n.pool2, num_output=3, **filler)
    n.loss = L.SigmoidCrossEntropyLoss(n.score, n.label)
    return n.to_proto()


def hamming(solver: Any, batches: int) -> float:
    """The share of labels that are right."""
    test = solver.test_nets[0]
    right = []
    for _ in range(batches):
        test.forward()
        right.append(np.mean((test.blobs["score"].data > 0) == test.blobs["label"].data))
    return float(np.mean(right))


def nothing(solver: Any) -> float:
    """The share of labels that are 0."""
    return float(np.mean(solver.test_nets[0].blobs["label"].data == 0))


if __name__ == "__main__":
    main()
