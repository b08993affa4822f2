"""Scikit-learn's digits as databases: 1,797 real scans of 8x8 points by 43 people, as MNIST has its own.

MNIST puts each digit into a box of 20x20 in the middle of 28x28. A digit that filled the whole image would reach the
last rows and columns, which a convolution without padding sees least.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data.databases import Progress, write_arrays
from caffe_sdk.errors import DeviceError

SIDE, BOX = 28, 20
TEST_SHARE = 0.2


def read_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Images (1797, 1, 28, 28), white on black, and labels (1797,). Raises DeviceError without scikit-learn."""
    try:
        from PIL import Image
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DeviceError("digits", f"cannot be loaded ({error})", "pip install 'caffe-sdk[demo]'") from None
    scans = load_digits()
    grey = np.rint(scans.images * (255 / 16)).astype(np.uint8)
    boxes = [np.asarray(Image.fromarray(scan).resize((BOX, BOX), Image.Resampling.BICUBIC)) for scan in grey]
    margin = (SIDE - BOX) // 2
    return np.pad(np.stack(boxes), ((0, 0), (margin, margin), (margin, margin)))[:, None], scans.target


def split(labels: npt.NDArray[Any], seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places to learn from and places to test with: a fifth of every label, in mixed order, by ``seed``."""
    rng = np.random.default_rng(seed)
    train, test = [], []
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        cut = round(len(places) * TEST_SHARE)
        test.append(places[:cut])
        train.append(places[cut:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def write_digits(
    folder: str | os.PathLike[str],
    backend: str = "leveldb",
    seed: int = 0,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[str, str]:
    """Make the databases digits_train_leveldb and digits_test_leveldb (or _lmdb) in ``folder``; gives their paths.

    Raises DeviceError without scikit-learn, and what `create_database` does.
    """
    images, labels = read_digits()
    train, test = (
        write_arrays(
            Path(folder, f"digits_{which}_{backend.lower()}"),
            images[places],
            labels[places],
            backend,
            overwrite=overwrite,
            progress=progress,
        )
        for which, places in zip(("train", "test"), split(labels, seed), strict=True)
    )
    return train, test
