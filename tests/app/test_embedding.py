"""Maps of features: principal components, and neighbours that stay neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.app.embedding import pca, tsne
from caffe_sdk.errors import ArgumentError


def test_components_are_eigenvectors_of_the_covariance(rng: np.random.Generator) -> None:
    features = rng.normal(0, 1, (30, 5)) * [1, 7, 2, 5, 3] + 4
    values, vectors = np.linalg.eigh(np.cov(features.T))
    points = pca(features, 3)
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[::-1][:3])
    along = (features - features.mean(axis=0)) @ vectors[:, ::-1][:, :3]
    np.testing.assert_allclose(np.abs(points), np.abs(along), atol=1e-9)
    np.testing.assert_allclose(pca(features[:, ::-1], 3), points, atol=1e-9)  # the sign is that of the largest weight


def test_neighbours_stay_neighbours(rng: np.random.Generator) -> None:
    features = np.concatenate([rng.normal(0, 1, (15, 8)), rng.normal(9, 1, (15, 8))])
    points = tsne(features, perplexity=5)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(30) * 1e9
    assert (distances.argmin(axis=1) // 15 == np.arange(30) // 15).all()
    np.testing.assert_allclose(points, tsne(features, perplexity=5), rtol=1e-5)


def test_maps_that_cannot_be() -> None:
    for wrong in (0, 4):
        with pytest.raises(ArgumentError, match="give 1 to 3"):
            pca(np.ones((9, 3)), wrong)
    with pytest.raises(ArgumentError, match="finite numbers"):
        pca(np.full((3, 3), np.nan))
    with pytest.raises(ArgumentError, match="perplexity 5 for 4 items"):
        tsne(np.ones((4, 2)), perplexity=5)
