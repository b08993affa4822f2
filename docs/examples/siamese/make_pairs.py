"""Pairs of MNIST's digits as two databases, pairs_train and pairs_test: `python make_pairs.py FOLDER`."""

import sys

import numpy as np

from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.mnist import read_mnist


def pairs(images, labels, count, rng):
    """Pictures (count, 2, height, width) and labels (count,): at least half of the pairs are of one digit: label 1."""
    first = rng.integers(0, len(images), count)
    second = rng.integers(0, len(images), count)
    for i in range(0, count, 2):
        second[i] = rng.choice(np.flatnonzero(labels == labels[first[i]]))
    return np.concatenate([images[first], images[second]], axis=1), (labels[first] == labels[second]).astype(int)


if __name__ == "__main__":
    rng = np.random.default_rng(1)
    for which in ("train", "test"):
        images, labels = read_mnist(sys.argv[1], which)
        print(write_arrays(f"pairs_{which}", *pairs(images, labels, len(images), rng)))
