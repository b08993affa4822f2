"""Classifier: a net that takes images and gives predictions, as pycaffe has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk import io
from caffe_sdk.errors import ArgumentError
from caffe_sdk.net import Net
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import TEST

Array = NDArray[Any]


class Classifier(Net):
    """A net in phase TEST, and how its first input is made from images.

    ``image_dims`` (height, width) is the size that images are resized to before they are cropped to the net's input; by
    default they are resized to the input itself. ``mean``, ``input_scale``, ``raw_scale`` and ``channel_swap`` are as
    in `caffe_sdk.io.Transformer`: for a net trained on Caffe's images raw_scale=255 and channel_swap=(2, 1, 0).

    Raises what `Net` does, and ArgumentError for values that do not fit the input.
    """

    def __init__(
        self,
        model_file: PathLike | Any,
        pretrained_file: PathLike | None,
        image_dims: Sequence[int] | None = None,
        mean: ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = make_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = np.array(self.crop_dims if image_dims is None else image_dims, int)
        if self.image_dims.shape != (2,) or (self.image_dims < self.crop_dims).any():
            what = f"image_dims are {self.image_dims.tolist()}"
            raise ArgumentError("Classifier", what, f"give (height, width) of at least {self.crop_dims.tolist()}")

    def predict(self, inputs: Sequence[Any] | Array, oversample: bool = True) -> Array:
        """The values of the net's first output for each image: (images, classes).

        ``inputs`` are images as `caffe_sdk.io.load_image` gives them, of any sizes. With ``oversample`` predictions are
        means over ten crops (corners and centre, plain and mirrored); without, they are those of the centre.
        """
        if len(inputs) == 0:
            raise ArgumentError("Classifier.predict", "there are no images", "give a list of images")
        name, crops_of_each = self.inputs[0], 10 if oversample else 1
        prepared = np.empty((len(inputs), crops_of_each, *self.blobs[name].shape[1:]), np.float32)
        for image, rows in zip(inputs, prepared, strict=True):
            resized = io.resize_image(image, self.image_dims)
            crops = io.oversample([resized], self.crop_dims) if oversample else [self._centre(resized)]
            for crop, row in zip(crops, rows, strict=True):
                row[...] = self.transformer.preprocess(name, crop)
        outputs = self.forward_all(**{name: prepared.reshape(-1, *prepared.shape[2:])})
        predictions = outputs[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(inputs), crops_of_each, -1).mean(axis=1)
        return predictions

    def _centre(self, image: Array) -> Array:
        top, left = (self.image_dims - self.crop_dims) // 2
        height, width = self.crop_dims
        return image[top : top + height, left : left + width]


def make_transformer(
    net: Net,
    mean: ArrayLike | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> io.Transformer:
    """A Transformer for a net's first input that takes images (height, width, channels).

    Raises ArgumentError for a net without such an input, and for values that do not fit it.
    """
    name = next(iter(net.inputs), "")
    shape = net.blobs[name].shape if name else ()
    if len(shape) != 4:
        what = f"the first input is '{name}' of shape {shape}" if name else "the net has no input"
        raise ArgumentError(
            f"net '{net.name}'", what, "give a deploy net whose input is (items, channels, height, width)"
        )
    transformer = io.Transformer({name: shape})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer
