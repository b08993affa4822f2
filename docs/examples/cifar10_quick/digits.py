"""Pictures in the form of CIFAR-10's binary files, for where CIFAR-10 is not at hand: `python digits.py MNIST FOLDER`.

MNIST's digits, each in a colour and a place of its own, on pieces of scikit-learn's two photographs. Those for training
are cut from the left parts of the photographs, those for tests from the right.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

from caffe_sdk.data.mnist import read_mnist


def pictures(digits, photographs, rng):
    """Digits (n, 28, 28) on photographs: (n, 3, 32, 32)."""
    made = np.empty((len(digits), 3, 32, 32), np.uint8)
    for picture, digit in zip(made, digits, strict=True):
        photograph = photographs[rng.integers(len(photographs))]
        top, left = (rng.integers(size - 31) for size in photograph.shape[:2])
        background = photograph[top : top + 32, left : left + 32].transpose(2, 0, 1)
        down, right = rng.integers(5, size=2)
        ink = np.zeros((32, 32))
        ink[down : down + 28, right : right + 28] = digit / 255
        picture[...] = background * (1 - ink) + rng.integers(0, 256, (3, 1, 1)) * ink
    return made


folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
images = load_sample_images().images
for which, photographs, names in (
    ("train", [image[:, :440] for image in images], [f"data_batch_{number}.bin" for number in range(1, 6)]),
    ("test", [image[:, 440:] for image in images], ["test_batch.bin"]),
):
    digits, labels = read_mnist(sys.argv[1], which)
    made = pictures(digits[:, 0], photographs, np.random.default_rng(1))
    records = np.concatenate([labels.astype(np.uint8)[:, None], made.reshape(len(made), -1)], axis=1)
    for name, part in zip(names, np.array_split(records, len(names)), strict=True):
        part.tofile(folder / name)
        print(folder / name)
