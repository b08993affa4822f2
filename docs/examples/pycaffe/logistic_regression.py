"""Brewing logistic regression, then going deeper: the same data for scikit-learn, a linear net, and one with a bend.

After pycaffe's notebook brewing-logreg, with data in HDF5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import digits
import h5py
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P


def main() -> None:
    """Make data, learn it three ways."""
    given = digits.options(__doc__, iterations=2000)

    # 1. Points of two classes in four dimensions, two of which tell nothing.
    points, labels = make_classification(
        10000, 4, n_redundant=0, n_informative=2, n_clusters_per_class=2, hypercube=False, random_state=0
    )
    x, x_test, y, y_test = train_test_split(points, labels, random_state=0)
    classifier = SGDClassifier(loss="log_loss", max_iter=1000, penalty="l2", random_state=0).fit(x, y)
    print(f"accuracy  {classifier.score(x_test, y_test):.3f} of scikit-learn's SGDClassifier")

    # 2. The same points in HDF5 files; a list names the files of each set.
    train = write_hdf5(given.output / "train", x, y)
    test = write_hdf5(given.output / "test", x_test, y_test)

    # 3. A linear net, and one with a hidden layer.
    for name, describe in (("linear", linear), ("nonlinear", nonlinear)):
        nets = describe(train, 10), describe(test, 10)
        with digits.solver(given.output, *nets, base_lr=0.01, weight_decay=5e-4) as solver:
            solver.step(given.iterations)
            scores = [float(solver.test_nets[0].forward()["accuracy"]) for _ in range(len(x_test) // 10)]
            print(f"accuracy  {np.mean(scores):.3f} of the {name} net")


def write_hdf5(stem: Path, x: Any, y: Any) -> str:
    """A file of data and labels, and the list that HDF5Data reads; gives the list's path."""
    with h5py.File(f"{stem}.h5", "w") as file:
        file["data"] = x.astype(np.float32)
        file["label"] = y.astype(np.float32)
    listed = Path(f"{stem}.txt")
    listed.write_text(f"{stem}.h5\n")
    return str(listed)


def linear(source: str, batch_size: int) -> Any:
    """Logistic regression: one inner product."""
    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(batch_size=batch_size, source=source, ntop=2)
    n.ip1 = L.InnerProduct(n.data, num_output=2, weight_filler={"type": "xavier"})
    return ended(n, n.ip1)


def nonlinear(source: str, batch_size: int) -> Any:
    """Two inner products with a ReLU in between."""
    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(batch_size=batch_size, source=source, ntop=2)
    n.ip1 = L.InnerProduct(n.data, num_output=40, weight_filler={"type": "xavier"})
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=2, weight_filler={"type": "xavier"})
    return ended(n, n.ip2)


def ended(n: caffe.NetSpec, scores: Any) -> Any:
    """The net with its accuracy and loss."""
    n.accuracy = L.Accuracy(scores, n.label)
    n.loss = L.SoftmaxWithLoss(scores, n.label, loss_param={"normalization": P.Loss.VALID})
    return n.to_proto()


if __name__ == "__main__":
    main()
