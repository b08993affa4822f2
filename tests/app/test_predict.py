"""Predicting: a model run over any number of items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.app.predict import predict
from caffe_sdk.errors import ArgumentError
from tests.net.models import CLASSIFIER

DEPLOY = CLASSIFIER.replace('layer { name: "label"', 'layer { exclude { } name: "label"')


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A model and weights of it."""
    model, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    model.write_text(DEPLOY)
    with caffe.Net(model, caffe.TEST) as net:
        net.save(weights)
    return model, weights


def test_any_number_of_items(files: tuple[Path, Path], rng: np.random.Generator) -> None:
    images = rng.standard_normal((6, 1, 8, 8)).astype(np.float32)
    found = predict(*files, {"data": images})
    assert {name: values.shape for name, values in found.items()} == {"prob": (6, 5)}
    again = predict(*files, {"data": images[:2]}, ["prob", "fc"])
    np.testing.assert_allclose(again["prob"], found["prob"][:2], rtol=1e-5)
    assert again["fc"].shape == (2, 5)


def test_names_that_are_none(files: tuple[Path, Path]) -> None:
    with pytest.raises(ArgumentError, match="there is no blob 'probs'; blobs: data, conv"):
        predict(*files, {"data": np.zeros((1, 1, 8, 8))}, ["probs"])
    with pytest.raises(ArgumentError, match=r"Input blob arguments do not match net inputs\."):
        predict(*files, {"image": np.zeros((4, 1, 8, 8))})
