"""Detector: a net that classifies windows of images, as pycaffe has it (R-CNN)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk import io
from caffe_sdk.classifier import Arguments, make_transformer, with_record
from caffe_sdk.errors import ArgumentError
from caffe_sdk.net import Net
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import TEST
from caffe_sdk.selective_search import selective_search

Array = NDArray[Any]
Window = Sequence[float] | Array  # ymin, xmin, ymax, xmax


class Detector(Net):
    """A net in phase TEST, and how its first input is made from windows of images.

    Windows are (ymin, xmin, ymax, xmax) in pixels. ``context_pad`` is how many pixels around the window the net's input
    shows, after both were warped to its size; what lies outside of the image is the mean's colour. The other arguments
    are those of `caffe_sdk.Classifier`, and so is ``preprocessing``, the record that counts without them.
    """

    def __init__(
        self,
        model_file: PathLike | Any,
        pretrained_file: PathLike | None,
        mean: ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        given = Arguments(None, mean, input_scale, raw_scale, channel_swap)
        self.preprocessing, found = with_record(self, given, pretrained_file, model_file)
        self.transformer = make_transformer(self, found)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[PathLike, Iterable[Window]]]) -> list[dict[str, Any]]:
        """The values of the net's first output for windows of images: pairs of a file's name and its windows.

        Each window gives a dict with ``window``, ``prediction`` and ``filename``. Windows go through the net in its
        batches, so that no more of them are in memory.
        """
        name, output = self.inputs[0], self.outputs[0]
        detections: list[dict[str, Any]] = []

        def prepared() -> Iterator[Array]:
            for filename, windows in images_windows:
                image = io.load_image(filename)
                for window in windows:
                    detections.append({"window": window, "filename": filename})
                    yield self.transformer.preprocess(name, self.crop(image, window))

        inputs = prepared()
        done = 0
        while batch := list(islice(inputs, self.blobs[name].shape[0])):
            for prediction in self.forward_all(**{name: np.stack(batch)})[output]:
                detections[done]["prediction"] = prediction
                done += 1
        return detections

    def detect_selective_search(self, image_fnames: Iterable[PathLike]) -> list[dict[str, Any]]:
        """`detect_windows` for the windows that `caffe_sdk.selective_search` finds in each image, some 1000 or 2000.

        As in pycaffe the names of the files become absolute.
        """
        names = [os.path.abspath(name) for name in image_fnames]
        return self.detect_windows((name, selective_search(io.load_image(name))) for name in names)

    def crop(self, im: Array, window: Window) -> Array:
        """The part of an image (height, width, channels) that a window shows, with context if that is configured.

        Raises ArgumentError for a window that shows nothing of the image.
        """
        ymin, xmin, ymax, xmax = (int(edge) for edge in window)
        crop = im[max(ymin, 0) : max(ymax, 0), max(xmin, 0) : max(xmax, 0)]
        if crop.size == 0:
            what = f"window {(ymin, xmin, ymax, xmax)} shows nothing of an image of {im.shape[0]} x {im.shape[1]}"
            raise ArgumentError("Detector.crop", what, "give ymin, xmin, ymax, xmax in pixels")
        return self._crop_in_context(im, np.array([ymin, xmin, ymax, xmax])) if self.context_pad else crop

    def _crop_in_context(self, im: Array, window: Array) -> Array:
        """The window and ``context_pad`` pixels around it, warped to the net's input (which is taken for square)."""
        around: Array = np.ones(self.crop_dims, np.float32) * self.crop_mean
        return in_context(im, window, around, self.context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how many pixels of context windows are shown with; None or 0 for none.

        Raises ArgumentError where they would leave no room for the window.
        """
        name = self.inputs[0]
        shape = self.blobs[name].shape
        if context_pad is not None and not 0 <= 2 * context_pad < shape[3]:
            what = f"context_pad {context_pad} leaves nothing of an input {shape[3]} wide"
            raise ArgumentError("Detector", what, f"give 0 to {(shape[3] - 1) // 2}")
        back = np.argsort(self.transformer.transpose[name])
        self.crop_dims = np.array(shape[1:])[back]
        self.context_pad = context_pad or 0
        self.crop_mean: Array = np.zeros(self.crop_dims, np.float32)
        if name in self.transformer.mean:  # as it is in images, before they are prepared
            mean = self.transformer.mean[name]
            if name in self.transformer.channel_swap and len(mean) > 1:
                mean = mean[np.argsort(self.transformer.channel_swap[name])]
            self.crop_mean = mean.transpose(back) / self.transformer.raw_scale.get(name, 1)


def in_context(im: Array, window: Array, around: Array, context_pad: int) -> Array:
    """A window of an image and ``context_pad`` pixels around it, warped to the size of ``around``.

    ``around`` is what is seen where the image does not reach: (size, size, channels), which is changed and given back.
    """
    size = around.shape[1]
    half = (window[2:] - window[:2] + 1) / 2
    centre = window[:2] + half
    grown = size / (size - 2 * context_pad) * half
    box = np.round(np.concatenate([centre - grown, centre + grown]))
    scale = size / (box[2:] - box[:2] + 1)
    before = [round(pad) for pad in np.maximum(0, -box[:2]) * scale]
    clipped = np.clip(box, 0, np.tile(im.shape[:2], 2))
    shown = [round(extent) for extent in (clipped[2:] - clipped[:2] + 1) * scale]
    height, width = (min(extent, size - pad) for extent, pad in zip(shown, before, strict=True))
    top, left, bottom, right = clipped.astype(int)
    around[before[0] : before[0] + height, before[1] : before[1] + width] = io.resize_image(
        im[top:bottom, left:right], (height, width)
    )
    return around
