"""A siamese net: two copies of a net with the same weights learn to put like digits near each other.

After pycaffe's notebook mnist_siamese: pairs are images of two channels, which a Slice layer takes apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import digits
import numpy as np

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.digits import read_digits, split

PAIRS = 4000


def main() -> None:
    """Learn from pairs, then look where digits lie."""
    given = digits.options(__doc__, iterations=400)
    with digits.solver(given.output, siamese(pairs(given.output), 64), base_lr=0.01) as solver:
        first = float(solver.net.forward()["loss"])
        solver.step(given.iterations)
        print(f"loss      {first:.3f} at first, {float(solver.net.forward()['loss']):.3f} at last")
        weights = str(given.output / "siamese.caffemodel")
        solver.net.save(weights)

    images, labels = digits.test_digits()
    net = caffe.Net(digits.save(given.output / "one.prototxt", one(len(labels))), weights, caffe.TEST)
    features = net.forward(data=images)["feat"]
    print(
        f"nearest   {nearest_are_alike(features, labels):.3f} of {len(labels)} digits have a like one nearest to them"
    )

    figure, axis = digits.plt.subplots(figsize=(6, 6))
    for digit in range(10):
        axis.plot(*features[labels == digit].T, ".", label=str(digit))
    axis.legend()
    figure.savefig(given.output / "siamese.png")
    digits.plt.close(figure)
    print(f"picture   {given.output / 'siamese.png'}")


def pairs(folder: Path) -> str:
    """A database of pairs, labelled 1 where both are of one class; half of them are."""
    images, labels = read_digits()
    places, _ = split(labels, seed=0)
    rng = np.random.default_rng(1)
    first = rng.choice(places, PAIRS)
    second = rng.choice(places, PAIRS)
    for i in range(0, PAIRS, 2):
        second[i] = rng.choice(places[labels[places] == labels[first[i]]])
    both = np.concatenate([images[first], images[second]], axis=1)
    alike = (labels[first] == labels[second]).astype(np.int64)
    return write_arrays(folder / "pairs", both, alike, "lmdb", overwrite=True)


def branch(n: caffe.NetSpec, top: Any, suffix: str = "") -> Any:
    """LeNet with an output of two numbers; layers of all branches share parameters by their names."""

    def named(name: str) -> list[dict[str, Any]]:
        return [{"name": f"{name}_w", "lr_mult": 1}, {"name": f"{name}_b", "lr_mult": 2}]

    filler = {"weight_filler": {"type": "xavier"}}
    for i, outputs in enumerate((20, 50), 1):
        conv = L.Convolution(top, kernel_size=5, num_output=outputs, param=named(f"conv{i}"), **filler)
        n[f"conv{i}{suffix}"] = conv
        top = n[f"pool{i}{suffix}"] = L.Pooling(conv, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    hidden = n[f"ip1{suffix}"] = L.InnerProduct(top, num_output=500, param=named("ip1"), **filler)
    relu = n[f"relu1{suffix}"] = L.ReLU(hidden, in_place=True)
    ip2 = n[f"ip2{suffix}"] = L.InnerProduct(relu, num_output=10, param=named("ip2"), **filler)
    feat = n[f"feat{suffix}"] = L.InnerProduct(ip2, num_output=2, param=named("feat"), **filler)
    return feat


def siamese(source: str, batch_size: int) -> Any:
    """Both branches and their loss."""
    n = caffe.NetSpec()
    n.pair_data, n.sim = digits.data(source, batch_size)
    n.data, n.data_p = L.Slice(n.pair_data, axis=1, slice_point=1, ntop=2)
    n.loss = L.ContrastiveLoss(branch(n, n.data), branch(n, n.data_p, "_p"), n.sim, margin=1)
    return n.to_proto()


def one(batch_size: int) -> Any:
    """One branch, for use."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [batch_size, 1, 28, 28]})
    branch(n, n.data)
    return n.to_proto()


def nearest_are_alike(features: Any, labels: Any) -> float:
    """How many points have one of their own class nearest to them."""
    distances = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(labels[distances.argmin(axis=1)] == labels))


if __name__ == "__main__":
    main()
