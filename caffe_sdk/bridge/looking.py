"""What a client looks at: windows of images, maps of features, curves of trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffe_sdk import io
from caffe_sdk.app import embedding, windows
from caffe_sdk.app.inference import softmax
from caffe_sdk.app.plots import read_curves
from caffe_sdk.app.session import Session
from caffe_sdk.bridge.translate import Options, integer, path_of, pixels_of
from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import ArgumentError


class Looking:
    """The commands that show something, on one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.table: dict[str, Callable[..., Any]] = {
            "detect": self._detect,
            "embed": _embed,
            "read_curves": lambda path: [_curve(curve) for curve in read_curves(path_of(path))],
        }

    def _detect(self, net: Array, image: Any, boxes: Array, options: Options) -> dict[str, Any]:
        """Windows [x y width height] from 1, or if there are none those of selective search; scores of each."""
        pixels = io.load_image(path_of(image)) * np.float32(255) if isinstance(image, str) else _one(image)
        places = _windows(boxes) if boxes.size else windows.proposals(pixels)
        pad, batch = integer(options["ContextPad"]), integer(options["MiniBatchSize"])
        scores = windows.scores(self.session, integer(net), pixels, places, pad, batch)
        if options["Softmax"].item():
            scores = softmax(scores)
        best = scores.max(axis=1)
        strong = np.flatnonzero(best >= options["Threshold"].item())
        overlap = float(options["Overlap"].item())
        if overlap < 1:
            strong = strong[windows.strongest(places[strong], best[strong], overlap)]
        top, left, bottom, right = places[strong].T.astype(float)
        return {"boxes": np.stack([left + 1, top + 1, right - left, bottom - top]), "scores": scores[strong].T}


def _one(image: Array) -> Array:
    """An image of MATLAB's as Python has it: (height, width, channels), from 0 to 255."""
    pixels = pixels_of(image)
    if len(pixels) != 1:
        raise ArgumentError("detect", f"{len(pixels)} images", "give one")
    found = pixels[0].transpose(1, 2, 0).astype(np.float32)
    return np.repeat(found, 3, axis=2) if found.shape[2] == 1 else found


def _windows(boxes: Array) -> Array:
    """Rows [x y width height] from 1 as (ymin, xmin, ymax, xmax)."""
    if boxes.ndim != 2 or len(boxes) != 4:
        raise ArgumentError("detect", f"boxes of size {boxes.shape[::-1]}", "give rows of [x y width height]")
    x, y, width, height = np.rint(boxes)
    return np.stack([y - 1, x - 1, y - 1 + height, x - 1 + width], axis=1).astype(int)


def _embed(features: Array, options: Options) -> Array:
    """Points in rows for features in rows."""
    rows, dimensions = features.T, integer(options["Dimensions"])
    if options["Method"] == "pca":
        return embedding.pca(rows, dimensions).T
    if options["Method"] == "tsne":
        perplexity, seed = float(options["Perplexity"].item()), integer(options["Seed"])
        return embedding.tsne(rows, dimensions, perplexity, seed).T
    raise ArgumentError("embed", f"there is no method '{options['Method']}'", "use pca or tsne")


def _curve(curve: Any) -> dict[str, Any]:
    return {
        "quantity": curve.quantity,
        "phase": curve.phase,
        "label": curve.label,
        "iterations": tuple(curve.iterations),
        "seconds": tuple(curve.seconds),
        "values": tuple(curve.values),
    }
