"""A source of data written in Python: pictures of shapes, with a label for each kind that is to be seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

import caffe_sdk as caffe

SIDE = 24
KINDS = ("square", "disc", "cross")


class ShapesLayer(caffe.Layer):
    """Pictures (n, 1, 24, 24) and labels (n, 3) of 0 or 1. ``param_str`` is JSON: batch_size and seed."""

    def setup(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Read the parameters, and give the tops their shapes."""
        params = json.loads(self.param_str)
        check_params(params)
        self.batch_size = params["batch_size"]
        self.rng = np.random.default_rng(params["seed"])
        top[0].reshape(self.batch_size, 1, SIDE, SIDE)
        top[1].reshape(self.batch_size, len(KINDS))

    def reshape(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """The shapes stay what they are."""

    def forward(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Draw a batch."""
        for i in range(self.batch_size):
            top[0].data[i, 0], top[1].data[i] = draw(self.rng)

    def backward(self, top: Sequence[Any], propagate_down: Sequence[bool], bottom: Sequence[Any]) -> None:
        """There is nothing to learn here."""


def check_params(params: dict[str, Any]) -> None:
    """ValueError for parameters that are missing."""
    for name in ("batch_size", "seed"):
        if name not in params:
            raise ValueError(f"param_str must have {name}")


def draw(rng: np.random.Generator) -> tuple[Any, Any]:
    """A noisy picture with each kind of shape once or not at all, and which there are."""
    picture = rng.normal(0, 0.1, (SIDE, SIDE))
    labels = rng.integers(0, 2, len(KINDS))
    y, x = np.mgrid[:SIDE, :SIDE]
    for kind, there in zip(KINDS, labels, strict=True):
        top, left = rng.integers(4, SIDE - 4, 2)
        dy, dx = np.abs(y - top), np.abs(x - left)
        if not there:
            continue
        if kind == "square":
            picture[(np.maximum(dy, dx) == 3)] += 1
        elif kind == "disc":
            picture[dy**2 + dx**2 <= 9] += 1
        else:
            picture[(np.minimum(dy, dx) == 0) & (np.maximum(dy, dx) <= 3)] += 1
    return picture, labels
