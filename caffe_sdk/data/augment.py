"""Changes of images that forks have in their transform_param: colours, a larger canvas, another size, noise.

Each is drawn anew for every record, in the order of the SSD fork: distort_param, expand_param, resize_param,
noise_param, and then the sizes at random of NVIDIA's and Intel's. They are for 8-bit images; distort_param and the mean
colour of a canvas for those with three channels, BGR.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data import noise
from caffe_sdk.data.datum import Pixels
from caffe_sdk.data.resize import resize
from caffe_sdk.errors import DataError, LayerError
from caffe_sdk.schema.messages import ResizeParameter

Floats = npt.NDArray[np.float32]
Generator = np.random.Generator

FIELDS = (
    "distort_param",
    "expand_param",
    "resize_param",
    "noise_param",
    "random_resize_param",
    "random_aspect_ratio_param",
)
SIZES = tuple(
    f"{what}_{end}"
    for what in ("img_rand_resize", "rand_resize_ratio", "vertical_stretch", "horizontal_stretch")
    for end in ("lower", "upper")
)
HUES = 180.0  # OpenCV's circle of 8-bit hues
PILLOW = {"AREA": "BOX", "NEAREST": "NEAREST", "CUBIC": "BICUBIC", "LANCZOS4": "LANCZOS"}
PADS: dict[str, Any] = {"CONSTANT": "constant", "MIRRORED": "reflect", "REPEAT_NEAREST": "edge"}


class Augment:
    """What these fields of a TransformationParameter ask for. ``where`` names the layer in errors."""

    def __init__(self, param: Any, where: str) -> None:
        """Raises LayerError for sizes, factors and probabilities that make no sense."""
        self._distort = param.distort_param if param.HasField("distort_param") else None
        self._expand = param.expand_param if param.HasField("expand_param") else None
        self._resize = param.resize_param if param.HasField("resize_param") else None
        self._noise = param.noise_param if param.HasField("noise_param") else None
        self._short = param.random_resize_param if param.HasField("random_resize_param") else None
        self._part = param.random_aspect_ratio_param if param.HasField("random_aspect_ratio_param") else None
        self._crop = int(param.crop_size)
        self._mean = list(param.mean_value)
        self._sizes = param if any(param.HasField(name) for name in SIZES) else None
        low, high = param.img_rand_resize_lower, param.img_rand_resize_upper
        if bool(low) != bool(high) or low > high:
            what = f"img_rand_resize_lower: {low}, img_rand_resize_upper: {high}"
            raise LayerError(where, what, "give both, the lower one first")
        if self._resize is not None and not (self._resize.height and self._resize.width):
            size = f"{self._resize.height} x {self._resize.width}"
            raise LayerError(where, f"resize_param of size {size}", "give height and width")
        if self._expand is not None and self._expand.max_expand_ratio < 1:
            what = f"max_expand_ratio: {self._expand.max_expand_ratio:g}"
            raise LayerError(where, what, "give 1 or more")
        for name in ("contrast", "saturation"):
            low, high = (getattr(self._distort, f"{name}_{end}", 0) for end in ("lower", "upper"))
            if not 0 <= low <= high:
                raise LayerError(where, f"{name}_lower: {low:g}, {name}_upper: {high:g}", "give 0 <= lower <= upper")
        if self._noise is not None:
            noise.check(self._noise, where)
        self._check_intel(where)

    def _check_intel(self, where: str) -> None:
        if self._short is not None and self._part is not None:
            raise LayerError(where, "has both random_resize_param and random_aspect_ratio_param", "give one of them")
        if (self._short is not None or self._part is not None) and not self._crop:
            raise LayerError(where, "draws sizes at random, and has no crop_size", "give a crop_size")
        if self._short is not None and 0 < self._short.max_size < max(self._short.min_size, self._crop):
            what = f"random_resize_param from {self._short.min_size} to {self._short.max_size}, crop_size {self._crop}"
            raise LayerError(where, what, "give min_size <= max_size, and crop_size no larger")
        if self._part is not None:
            low, high, change = (
                getattr(self._part, name) for name in ("min_area_ratio", "max_area_ratio", "aspect_ratio_change")
            )
            if not (0 < low <= high and 0 < change <= 1):
                what = f"area ratios from {low:g} to {high:g}, aspect_ratio_change: {change:g}"
                raise LayerError(where, what, "give 0 < min <= max, and a change from 0 to 1")

    @staticmethod
    def wanted(param: Any) -> bool:
        """Whether a TransformationParameter has any of the fields."""
        return any(param.HasField(name) for name in FIELDS + SIZES)

    def apply(self, pixels: Pixels, rng: Generator) -> Pixels:
        """The changed image. Raises DataError for one that is not of 8 bits."""
        if pixels.dtype != np.uint8:
            raise DataError("", f"holds {pixels.dtype}", f"{', '.join(FIELDS)} are for images of 8 bits")
        if self._distort is not None and len(pixels) == 3:
            pixels = distorted(pixels, self._distort, rng)
        if self._expand is not None and rng.random() < self._expand.prob:
            pixels = self._on_canvas(pixels, rng.uniform(1, self._expand.max_expand_ratio), rng)
        if self._resize is not None and rng.random() < self._resize.prob:
            pixels = resized(pixels, self._resize, rng)
        if self._noise is not None:
            pixels = noise.noised(pixels, self._noise, rng)
        if self._sizes is not None:
            pixels = resized_at_random(pixels, self._sizes, rng)
        if self._short is not None:
            pixels = short_side_at_random(pixels, self._short, rng)
        if self._part is not None:
            pixels = part_at_random(pixels, self._part, self._crop, rng)
        return pixels

    def _on_canvas(self, pixels: Pixels, ratio: float, rng: Generator) -> Pixels:
        """The image somewhere on a canvas ``ratio`` times as high and wide, of the mean colour."""
        channels, height, width = pixels.shape
        tall, wide = int(height * ratio), int(width * ratio)
        colour = self._mean if len(self._mean) == channels else (self._mean or [0])[:1] * channels
        canvas = np.empty((channels, tall, wide), np.uint8)
        canvas[...] = np.clip(np.rint(colour), 0, 255).astype(np.uint8)[:, None, None]
        top, left = int(rng.uniform(0, tall - height)), int(rng.uniform(0, wide - width))
        canvas[:, top : top + height, left : left + width] = pixels
        return canvas


# -- another size ----------------------------------------------------------------------------------------------------


def resized(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """``pixels`` (channels, h, w) in the size that a ResizeParameter asks for.

    LINEAR is OpenCV's to the bit, the others are Pillow's of the same kind.
    """
    return _resized(pixels, int(param.height), int(param.width), param, rng)


def _resized(pixels: Pixels, height: int, width: int, param: Any, rng: Generator) -> Pixels:
    mode = _mode(param, rng)
    ratio = pixels.shape[2] / pixels.shape[1]
    if param.resize_mode == ResizeParameter.WARP:
        return _resample(pixels, height, width, mode)
    wide = ratio > width / height  # wider than what it is to fit
    if param.resize_mode == ResizeParameter.FIT_SMALL_SIZE:
        size = (height, int(height * ratio)) if wide else (int(width / ratio), width)
        return _resample(pixels, max(size[0], 1), max(size[1], 1), mode)
    size = (int(width / ratio), width) if wide else (height, int(height * ratio))
    fitted = _resample(pixels, max(size[0], 1), max(size[1], 1), mode)
    return _padded(fitted, height, width, param)


def resized_at_random(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """``pixels`` (channels, h, w) in a size at random, as NVIDIA's fields of a TransformationParameter say.

    The shorter side is drawn, then how many times as long the other is, then factors of both. No side gets shorter than
    crop_size, or without allow_upscale longer than it was.
    """
    _, height, width = pixels.shape
    short = min(height, width)
    if param.img_rand_resize_lower:
        short = int(rng.integers(param.img_rand_resize_lower, param.img_rand_resize_upper + 1))
    scale = short / min(height, width)
    tall, wide = scale * height, scale * width
    if param.rand_resize_ratio_lower >= 1 and param.rand_resize_ratio_upper > 1:
        ratio = rng.uniform(param.rand_resize_ratio_lower, param.rand_resize_ratio_upper)
        lies = wide > tall or (wide == tall and rng.random() < 0.5)
        tall, wide = (tall, tall * ratio) if lies else (wide * ratio, wide)
    tall *= rng.uniform(param.vertical_stretch_lower, param.vertical_stretch_upper)
    wide *= rng.uniform(param.horizontal_stretch_lower, param.horizontal_stretch_upper)
    sides = [max(param.crop_size, 1, int(side + 0.5)) for side in (tall, wide)]
    if not param.allow_upscale:
        sides = [min(side, most) for side, most in zip(sides, (height, width), strict=True)]
    shrinks = sides[0] <= height and sides[1] <= width
    kind = param.interpolation_algo_down if shrinks else param.interpolation_algo_up
    return _resample(pixels, sides[0], sides[1], param.InterpolationAlgo.Name(kind).removeprefix("INTER_"))


def short_side_at_random(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """``pixels`` (channels, h, w) as they are shaped, the shorter side drawn from a RandomResizeParameter's range."""
    sides = pixels.shape[1:]
    low, high = int(param.min_size) or min(sides), int(param.max_size) or max(sides)
    return _with_short_side(pixels, int(rng.integers(low, max(low, high) + 1)), param.resize_param, rng)


def part_at_random(pixels: Pixels, param: Any, size: int, rng: Generator) -> Pixels:
    """A part of ``pixels`` (channels, h, w), drawn as a RandomAspectRatioParameter says, made ``size`` x ``size``.

    Where none fits in as many attempts as it allows: the whole image, its shorter side of this size.
    """
    _, height, width = pixels.shape
    for _ in range(param.max_attempt):
        area = rng.uniform(param.min_area_ratio, param.max_area_ratio) * height * width
        change = rng.uniform(param.aspect_ratio_change, 1 / param.aspect_ratio_change)
        tall, wide = int(area**0.5 * change), int(area**0.5 / change)
        if rng.random() < 0.5:
            tall, wide = wide, tall
        if 0 < tall <= height and 0 < wide <= width:
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            part = pixels[:, top : top + tall, left : left + wide]
            return _resized(np.ascontiguousarray(part), size, size, param.resize_param, rng)
    return _with_short_side(pixels, size, param.resize_param, rng)


def _with_short_side(pixels: Pixels, size: int, param: Any, rng: Generator) -> Pixels:
    _, height, width = pixels.shape
    short = min(height, width)
    return _resample(pixels, max(size, height * size // short), max(size, width * size // short), _mode(param, rng))


def _mode(param: Any, rng: Generator) -> str:
    """One of a ResizeParameter's kinds of interpolation."""
    modes = list(param.interp_mode)
    return ResizeParameter.Interp_mode.Name(modes[rng.integers(len(modes))]) if modes else "LINEAR"


def _padded(pixels: Pixels, height: int, width: int, param: Any) -> Pixels:
    """The image in the middle of a margin."""
    over = [(0, 0)]
    for size, wanted in zip(pixels.shape[1:], (height, width), strict=True):
        over.append(((wanted - size) // 2, wanted - size - (wanted - size) // 2))
    mode = PADS[ResizeParameter.Pad_mode.Name(param.pad_mode)]
    if mode != "constant":
        return np.pad(pixels, over, mode if min(pixels.shape[1:]) > 1 else "edge")
    values = list(param.pad_value) or [0]
    values = values if len(values) == len(pixels) else values[:1] * len(pixels)
    return np.stack(
        [np.pad(one, over[1:], constant_values=round(value)) for one, value in zip(pixels, values, strict=True)]
    )


def _resample(pixels: Pixels, height: int, width: int, mode: str) -> Pixels:
    if mode == "LINEAR":
        return resize(pixels, height, width)
    from PIL import Image

    filter_ = Image.Resampling[PILLOW[mode]]
    planes = (Image.fromarray(np.ascontiguousarray(plane)) for plane in pixels)
    return np.stack([np.asarray(plane.resize((width, height), filter_)) for plane in planes])


# -- colours ---------------------------------------------------------------------------------------------------------


def distorted(pixels: Pixels, param: Any, rng: Generator) -> Pixels:
    """``pixels`` (3, h, w), BGR, in other colours, as a DistortionParameter says.

    Brightness first; contrast comes before saturation and hue or, as often, after them.
    """
    contrast_first = rng.random() > 0.5
    image = pixels.astype(np.float32)
    if rng.random() < param.brightness_prob:
        image = _clipped(image + np.float32(rng.uniform(-param.brightness_delta, param.brightness_delta)))
    contrast = rng.uniform(param.contrast_lower, param.contrast_upper) if rng.random() < param.contrast_prob else 1
    if contrast_first:
        image = _clipped(image * np.float32(contrast))
    saturate = rng.random() < param.saturation_prob
    saturation = rng.uniform(param.saturation_lower, param.saturation_upper) if saturate else 1
    hue = rng.uniform(-param.hue_delta, param.hue_delta) if rng.random() < param.hue_prob else 0
    if saturation != 1 or hue:
        image = _in_hsv(image, saturation, hue)
    if not contrast_first:
        image = _clipped(image * np.float32(contrast))
    if rng.random() < param.random_order_prob:
        image = image[rng.permutation(3)]
    return np.rint(image).astype(np.uint8)


def _clipped(image: Floats) -> Floats:
    return np.clip(image, 0, 255)


def _in_hsv(image: Floats, saturation: float, hue: float) -> Floats:
    """BGR with its saturation multiplied and its hue turned, by way of hue, saturation and value."""
    value = image.max(0)
    chroma = value - image.min(0)
    blue, green, red = image
    safe = np.where(chroma > 0, chroma, 1)
    sixth = np.where(
        value == red, (green - blue) / safe, np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    sixth = (sixth + hue * (6 / HUES)) % 6
    chroma = np.minimum(chroma * saturation, value)
    channels = []
    for offset in (1, 3, 5):  # blue, green and red lie so far round the circle
        place = (offset + sixth) % 6
        channels.append(value - chroma * np.clip(np.minimum(place, 4 - place), 0, 1))
    return np.stack(channels).astype(np.float32)
