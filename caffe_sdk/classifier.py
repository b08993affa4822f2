"""Classifier: a net that takes images and gives predictions, as pycaffe has it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk import io, preprocessing
from caffe_sdk.errors import ArgumentError
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import TEST

Array = NDArray[Any]

log = logging.getLogger(__name__)

CENTRE = 4  # of the ten crops
PATHS = (str, os.PathLike)


class Classifier(Net):
    """A net in phase TEST, and how its first input is made from images.

    ``image_dims`` (height, width) is the size that images are resized to before they are cropped to the net's input; by
    default they are resized to the input itself. ``mean``, ``input_scale``, ``raw_scale`` and ``channel_swap`` are as
    in `caffe_sdk.io.Transformer`: for a net trained on Caffe's images raw_scale=255 and channel_swap=(2, 1, 0).

    With none of them images are prepared by the record beside the weights or the model, ``preprocessing``; see
    `caffe_sdk.preprocessing`. Where there is no record, or it says otherwise than the arguments, the log warns.

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
        given = Arguments(image_dims, mean, input_scale, raw_scale, channel_swap)
        self.preprocessing, found = with_record(self, given, pretrained_file, model_file)
        self.transformer = make_transformer(self, found)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        if self.preprocessing is not None:
            self.preprocessing.check_crop(self.crop_dims)
        self.image_dims = np.array(self.crop_dims if found.image_dims is None else found.image_dims, int)
        if self.image_dims.shape != (2,) or (self.image_dims < self.crop_dims).any():
            what = f"image_dims are {self.image_dims.tolist()}"
            raise ArgumentError("Classifier", what, f"give (height, width) of at least {self.crop_dims.tolist()}")

    def predict(self, inputs: Sequence[Any] | Array, oversample: bool = True) -> Array:
        """The values of the net's first output for each image: (images, classes).

        ``inputs`` are images as `caffe_sdk.io.load_image` gives them, of any sizes. With ``oversample`` predictions are
        means over ten crops (corners and centre, plain and mirrored); without, they are those of the centre.
        """
        prepared = self.prepare(inputs, oversample)
        outputs = self.forward_all(**{self.inputs[0]: prepared})
        predictions = outputs[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(inputs), 10, -1).mean(axis=1)
        return predictions

    def prepare(self, inputs: Sequence[Any] | Array, oversample: bool = True) -> Array:
        """What the net takes for images: (images, channels, height, width), or ten crops for each with ``oversample``.

        ``inputs`` are as in `predict`. Raises ArgumentError where there are none, and for images that do not fit.
        """
        if len(inputs) == 0:
            raise ArgumentError("Classifier", "there are no images", "give a list of images")
        name, crops_of_each = self.inputs[0], 10 if oversample else 1
        prepared = np.empty((len(inputs), crops_of_each, *self.blobs[name].shape[1:]), np.float32)
        for image, rows in zip(inputs, prepared, strict=True):
            crops = self._crops(image, oversample)
            if crops.shape != rows.shape:
                what = f"an image of shape {np.shape(image)} gives inputs of shape {crops.shape[1:]}"
                raise ArgumentError("Classifier", what, f"the net takes {rows.shape[1:]}")
            rows[...] = crops
        return prepared.reshape(-1, *prepared.shape[2:])

    def _crops(self, image: ArrayLike, oversample: bool) -> Array:
        """Ten crops of an image, or its centre, as the net takes them: (crops, channels, height, width)."""
        record = self.preprocessing
        if record is not None:
            whole = record.prepare(image, self.crop_dims).transpose(1, 2, 0)
        else:
            whole = io.resize_image(image, self.image_dims)
        crops = io.oversample([whole], self.crop_dims)
        if not oversample:
            crops = crops[CENTRE : CENTRE + 1]
        if record is not None:
            return crops.transpose(0, 3, 1, 2)
        return np.stack([self.transformer.preprocess(self.inputs[0], crop) for crop in crops])


class Arguments(NamedTuple):
    """What a Classifier was told of preprocessing."""

    image_dims: Sequence[int] | None
    mean: ArrayLike | None
    input_scale: float | None
    raw_scale: float | None
    channel_swap: Sequence[int] | None


def with_record(net: Net, given: Arguments, *models: PathLike | Any | None) -> tuple[Preprocessing | None, Arguments]:
    """The record of preprocessing beside one of the files, and the arguments it stands for, if none were given.

    Else no record, and the arguments as they are. The log warns where the record says otherwise, or is missing.
    """
    record = preprocessing.find(*models)
    if all(each is None for each in given):
        if record is not None:
            order = preprocessing.CHANNELS[record.channels]
            return record, Arguments(record.resize, record.mean, record.scale, 255, order)
        path = next((preprocessing.record_path(model) for model in models if isinstance(model, PATHS)), "of one")
        log.warning("%s: images go in as they are, RGB from 0 to 1; there is no record %s", net.name, path)
    elif record is not None and (others := record.differences(*given)):
        log.warning("%s: %s differ from the record beside the model", net.name, ", ".join(others))
    return None, given


def make_transformer(net: Net, given: Arguments) -> io.Transformer:
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
    if given.mean is not None:
        transformer.set_mean(name, given.mean)
    if given.input_scale is not None:
        transformer.set_input_scale(name, given.input_scale)
    if given.raw_scale is not None:
        transformer.set_raw_scale(name, given.raw_scale)
    if given.channel_swap is not None:
        transformer.set_channel_swap(name, given.channel_swap)
    return transformer
