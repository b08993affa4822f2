"""Fine-tuning: a net that knows some digits learns others from a few examples, sooner than from scratch.

After pycaffe's notebook 02-fine-tuning: layers keep their weights by name, and the last layer has a new one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import digits
import numpy as np

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.digits import read_digits, split

KNOWN, NEW, EXAMPLES = 5, 5, 4
"""Digits 0 to 4 are known; of 5 to 9 there are so few examples each."""


def main() -> None:
    """Learn the first digits, then the others with and without what was learned."""
    given = digits.options(__doc__, iterations=60)
    sources = databases(given.output)

    # 1. A net that knows the first digits.
    with digits.solver(given.output, net(sources["known"], 64, "score_known", KNOWN)) as solver:
        solver.step(2 * given.iterations)
        weights = str(given.output / "known.caffemodel")
        solver.net.save(weights)

    # 2. The last layer of the new net has another name, so it starts anew, and learns ten times as fast.
    nets = net(sources["few"], 20, "score_new", NEW), net(sources["test"], 100, "score_new", NEW)
    losses = {}
    for way in ("fine-tuned", "from scratch"):
        caffe.set_random_seed(2)
        with digits.solver(given.output, *nets, base_lr=0.001) as solver:
            if way == "fine-tuned":
                report = solver.net.copy_from(weights)
                print(f"copied    {', '.join(report.copied)}")
            losses[way] = course(solver, given.iterations)
            accuracy = np.mean([float(solver.test_nets[0].forward()["accuracy"]) for _ in range(3)])
            early = given.iterations // 3
            print(f"{way}: loss {losses[way][early]:.3f} after {early} steps, accuracy {accuracy:.3f} at last")
    digits.figure(given.output / "fine_tuning.png", ("loss", losses))


def databases(folder: Path) -> dict[str, str]:
    """Databases of the known digits, of a few examples of the new ones, and of all others of these."""
    images, labels = read_digits()
    train, test = split(labels, seed=0)
    new = [places[labels[places] >= KNOWN] for places in (train, test)]
    few = np.concatenate([new[0][labels[new[0]] == c][:EXAMPLES] for c in range(KNOWN, KNOWN + NEW)])
    chosen = {"known": train[labels[train] < KNOWN], "few": np.random.default_rng(1).permutation(few), "test": new[1]}
    return {
        name: write_arrays(folder / name, images[places], labels[places] % KNOWN, "lmdb", overwrite=True)
        for name, places in chosen.items()
    }


def net(source: str, batch_size: int, last: str, classes: int) -> Any:
    """LeNet with a last layer of another name, whose rate is ten times that of the others."""
    n = caffe.NetSpec()
    n.data, n.label = digits.data(source, batch_size)
    scores = digits.lenet(n, n.data, classes, last)
    scores.fn.params["param"] = [{"lr_mult": 10}, {"lr_mult": 20}]
    n.accuracy = L.Accuracy(scores, n.label)
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    return n.to_proto()


def course(solver: Any, iterations: int) -> list[float]:
    """The loss of each step."""
    losses = []
    for _ in range(iterations):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    return losses


if __name__ == "__main__":
    main()
