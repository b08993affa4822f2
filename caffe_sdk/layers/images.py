"""Layers that read image files."""

from __future__ import annotations

from typing import Any

from caffe_sdk.data.image_list import ImageListSource
from caffe_sdk.data.loader import Batches
from caffe_sdk.data.transform import Transform
from caffe_sdk.data.windows import Cut, WindowFiller, read_windows
from caffe_sdk.layers.base import exactly, layer
from caffe_sdk.layers.data import Fed


@layer("ImageData")
class ImageData(Fed):
    """Images that a text file lists, transformed.  () -> (batch_size, c, h, w), labels (batch_size, ...)

    Every line of ``source`` is a path, which gets ``root_folder`` in front, a space and a label, or with ``labels`` so
    many numbers. The shape follows the first image of every batch.
    """

    tops = exactly(2)

    def setup(self, config: Any) -> None:
        self.param = config.image_data_param
        with self._named():
            self.transform = Transform(config.transform_param, self.phase, "")
        height, width = self.param.new_height, self.param.new_width
        self.size = (height, width) if height and width else None
        both = bool(height) == bool(width)
        self.check(both, f"new_height: {height}, new_width: {width}", "give both or none")
        self.check(bool(self.param.source), "has no source", "give a text file that lists images")
        self.check(self.param.batch_size > 0, "batch_size: 0", "give batch_size: 1 or more")

    def open(self) -> Batches:
        param = self.param
        source = ImageListSource(
            param.source,
            param.root_folder,
            size=self.size,
            color=param.is_color,
            shuffle=param.shuffle,
            rand_skip=param.rand_skip,
            labels=param.labels,
            seed=self.seed,
            **self.share(),
        )
        return self.load(source, self.transform, param.batch_size)


@layer("WindowData")
class WindowData(Fed):
    """Windows of images for R-CNN, drawn at random.  () -> (batch_size, c, crop, crop), labels (batch_size,)

    crop_size, mirror and the mean are those of ``transform_param``; as in Caffe its scale does not count, but that of
    ``window_data_param`` does. See `caffe_sdk.data.windows` for the file.
    """

    tops = exactly(2)

    def setup(self, config: Any) -> None:
        self.param, transform = config.window_data_param, config.transform_param
        crop, pad = transform.crop_size, self.param.context_pad
        self.check(crop > 0, "has no crop_size", "give crop_size in transform_param")
        self.check(2 * pad < crop, f"context_pad: {pad} for crop_size: {crop}", f"give less than {crop / 2:g}")
        one = not (transform.mean_file and len(transform.mean_value))
        self.check(one, "has both mean_file and mean_value", "give one of them")
        mode, fraction = self.param.crop_mode, self.param.fg_fraction
        self.check(mode in ("warp", "square"), f"crop_mode: '{mode}'", "use warp or square")
        self.check(0 <= fraction <= 1, f"fg_fraction: {fraction:g}", "give 0 to 1")
        self.check(bool(self.param.source), "has no source", "give a window file")
        self.check(self.param.batch_size > 0, "batch_size: 0", "give batch_size: 1 or more")
        self.cut = Cut(crop, pad, mode == "square", transform.mirror, self.param.scale)

    def open(self) -> Batches:
        param, transform = self.param, self.config.transform_param
        filler = WindowFiller(
            param.source,
            read_windows(param.source, param.fg_threshold, param.bg_threshold),
            self.cut,
            param.batch_size,
            param.fg_fraction,
            mean=transform.mean_file or list(transform.mean_value),
            root=param.root_folder,
            cached=param.cache_images,
            seed=self.seed,
            skip_bad=self.config.data_param.skip_bad,
            **self.share(),
        )
        return Batches(filler, filler.shapes, self.config.data_param.prefetch, filler.skips)
