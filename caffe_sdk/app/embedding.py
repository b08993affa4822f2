"""Features as a map: each item a point, items that are alike near one another."""

from __future__ import annotations

import numpy as np

from caffe_sdk.errors import ArgumentError, DeviceError
from caffe_sdk.memory import Array


def pca(features: Array, dimensions: int = 2) -> Array:
    """Principal components (Pearson 1901): (items, dimensions), the directions of the largest variance first.

    Of each direction the sign is such that its largest weight is positive. Raises ArgumentError for more dimensions
    than there are items or features.
    """
    rows = _rows(features)
    if not 1 <= dimensions <= min(rows.shape):
        what = f"{dimensions} dimensions of {rows.shape[0]} items with {rows.shape[1]} features"
        raise ArgumentError("embed", what, f"give 1 to {min(rows.shape)}")
    centred = rows - rows.mean(axis=0)
    left, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return np.asarray((left * sizes * signs)[:, :dimensions])


def tsne(features: Array, dimensions: int = 2, perplexity: float = 30.0, seed: int = 0) -> Array:
    """t-SNE (van der Maaten and Hinton 2008) by scikit-learn, begun from `pca`: (items, dimensions).

    Raises DeviceError without scikit-learn, ArgumentError for a perplexity that is not below the number of items.
    """
    rows = _rows(features)
    if not 0 < perplexity < len(rows):
        what = f"perplexity {perplexity:g} for {len(rows)} items"
        raise ArgumentError("embed", what, "give less than there are items")
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise DeviceError("embed", "t-SNE needs scikit-learn", "pip install 'caffe-sdk[demo]', or use pca") from None
    most = pca(rows, min(50, *rows.shape))
    maker = TSNE(dimensions, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(maker.fit_transform(most.astype(np.float32)), float)


def _rows(features: Array) -> Array:
    rows = np.asarray(features, float).reshape(len(features), -1)
    if not rows.size or not np.isfinite(rows).all():
        raise ArgumentError("embed", f"features of shape {rows.shape}", "give finite numbers, a row for each item")
    return rows
