"""Windows cut out of images, as Caffe's WindowData reads them for R-CNN: a text file lists images and boxes in them.

Every image is written as::

    # number
    path
    channels
    height
    width
    count of windows
    label overlap x1 y1 x2 y2      (of each window: its class, how much of an object it covers, its corners)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.data import draws, images
from caffe_sdk.data.datum import Pixels
from caffe_sdk.data.prefetch import Batch, Floats
from caffe_sdk.data.resize import resize
from caffe_sdk.data.skips import IN_A_ROW, Skips
from caffe_sdk.data.source import place
from caffe_sdk.errors import ArgumentError, CaffeError, DataError, ShapeError
from caffe_sdk.schema.files import read_bytes, read_text
from caffe_sdk.schema.wire import read_blob

REDRAWS = 2**40  # a window drawn again is decided by a number far from those of the stream
CHOICE = draws.TOP  # windows are not cropped, so this draw is free
FIELDS = 6

Table = npt.NDArray[np.int32]
"""Windows: (n, 6) of image (its index in the list), label, x1, y1, x2, y2. A window has its corners inside."""


@dataclass(frozen=True)
class WindowList:
    """What a window file says, sorted by the thresholds."""

    images: list[str]
    channels: int
    foreground: Table
    background: Table


def read_windows(path: str | os.PathLike[str], fg_threshold: float, bg_threshold: float) -> WindowList:
    """Read a window file. Windows that cover at least ``fg_threshold`` of an object are foreground, those that cover
    less than ``bg_threshold`` background, of label 0; others are left out.

    Raises MissingFileError if there is no such file, DataError where it is not of the form.
    """
    name = os.fspath(path)
    listed: list[str] = []
    channels = 0
    foreground, background = [np.empty((0, FIELDS), np.int32)], [np.empty((0, FIELDS), np.int32)]
    for image, channels, windows in _images(name, read_text(path)):  # noqa: B007  the last image's counts, as in Caffe
        overlaps = windows[:, 1].astype(np.float32)
        rows = windows.astype(np.int32)
        rows[:, 1], rows[:, 0] = rows[:, 0], len(listed)
        listed.append(image)
        covering = overlaps >= np.float32(fg_threshold)
        if (rows[covering, 1] <= 0).any():
            raise DataError(
                place(name, image.encode()), "a window on an object has label 0", "objects have labels from 1"
            )
        foreground.append(rows[covering])
        beside = rows[~covering & (overlaps < np.float32(bg_threshold))]
        beside[:, 1] = 0
        background.append(beside)
    return WindowList(listed, channels, np.concatenate(foreground), np.concatenate(background))


def _images(name: str, text: str) -> Iterator[tuple[str, int, npt.NDArray[np.float64]]]:
    """Path, channels and windows as written (n, 6), image by image."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    for number, mark in lines:
        header = [line for _, line in itertools.islice(lines, 5)]
        try:
            if not mark.startswith("#"):
                raise ValueError(f"'{mark}' stands where '# number' should begin an image")
            path, channels, _, _, count = header[0], *map(int, header[1:])
            rows = [_numbers(line) for _, line in itertools.islice(lines, count)]
            windows = np.array(rows, np.float64).reshape(count, FIELDS)
        except (ValueError, IndexError) as error:
            raise DataError(name, f"the image at line {number} is not of the form: {error}", FORM) from None
        yield path, channels, windows


def _numbers(line: str) -> list[float]:
    numbers = [float(word) for word in line.split()]
    if len(numbers) != FIELDS:
        raise ValueError(f"a window of {len(numbers)} numbers, '{line}'")
    return numbers


FORM = "give '# number', path, channels, height, width, count, and windows of 6 numbers, each on a line"


@dataclass(frozen=True)
class Cut:
    """How windows are cut out, as the layer's parameters say. ``crop`` is the size of what comes out, a square."""

    crop: int
    context_pad: int = 0
    square: bool = False
    mirror: bool = False
    scale: float = 1.0


class WindowFiller:
    """Fills batches of ``batch_size`` windows drawn at random: background, then ``fg_fraction`` of foreground.

    A window grows until ``context_pad`` pixels around it are in the picture too, with ``square`` until it is one, and
    is warped to the size of the crop; what lies outside of the image stays 0. ``mean`` is a value for each channel or
    one for all, or the path of a mean image, whose centre counts. Every draw depends on ``seed`` and the window's
    number in the stream only, of which rank number ``rank`` of ``ranks`` gets one of every ``ranks``. ``root`` is put
    in front of paths; ``cached`` keeps the files of images in memory.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        windows: WindowList,
        cut: Cut,
        batch_size: int,
        fg_fraction: float,
        *,
        mean: Any = (),
        root: str = "",
        cached: bool = False,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        skip_bad: bool = False,
    ) -> None:
        """Raises DataError where the list has no window of a kind that is wanted, and what is wrong with the mean."""
        self.name = os.fspath(source)
        self.position = 0
        self.skips = Skips(self.name, skip_bad)
        self._windows, self._cut, self._batch_size, self._seed = windows, cut, batch_size, seed
        self._rank, self._ranks = rank, ranks
        self._root = root
        self._files: dict[int, bytes] | None = {} if cached else None
        if windows.channels not in (1, 3):
            raise DataError(self.name, f"images of {windows.channels} channels", "give images of 1 or 3")
        self._foreground = int(np.float32(batch_size) * np.float32(fg_fraction))
        for kind, table, count in (
            ("foreground", windows.foreground, self._foreground),
            ("background", windows.background, batch_size - self._foreground),
        ):
            if count and not len(table):
                raise DataError(self.name, f"has no {kind} windows", f"list some, or change the {kind[0]}g threshold")
        self.shapes = [(batch_size, windows.channels, cut.crop, cut.crop), (batch_size,)]
        self._mean = self._read_mean(mean) if isinstance(mean, str) else self._mean_of(mean)

    def _mean_of(self, values: Any) -> Floats:
        mean = np.array(values or [0], np.float32).reshape(-1, 1, 1)
        if len(mean) not in (1, self._windows.channels):
            what = f"{len(mean)} mean_values for {self._windows.channels} channels"
            raise ShapeError(self.name, what, "give one, or one for each channel")
        return np.broadcast_to(mean, self.shapes[0][1:])

    def _read_mean(self, path: str) -> Floats:
        mean = np.asarray(read_blob(path).data, np.float32)
        channels, crop = self._windows.channels, self._cut.crop
        if mean.shape[-3:-2] != (channels,) or mean.size != np.prod(mean.shape[-3:]) or min(mean.shape[-2:]) < crop:
            what = f"{path} holds a blob of shape {mean.shape}"
            raise ShapeError(self.name, what, f"a mean is ({channels}, height, width), at least {crop} x {crop}")
        height, width = mean.shape[-2:]
        mean = mean.reshape(channels, height, width)
        top, left = (height - crop) // 2, (width - crop) // 2
        return mean[:, top : top + crop, left : left + crop]

    def fill(self, batch: Batch) -> None:
        """The next windows. Raises MissingFileError and DataError naming list and image."""
        data, labels = batch.fit(*self.shapes)
        for row in range(self._batch_size):
            index = self.position + self._rank + row * self._ranks
            behind = row >= self._batch_size - self._foreground
            table = self._windows.foreground if behind else self._windows.background
            label = self.skips.tried(self._draw, table, index, index, data[row])
            if isinstance(label, CaffeError):
                self.skips.tell(label)
                label = self._another(label, table, index, data[row])
            labels[row] = label
        self.position += self._batch_size * self._ranks
        batch.position = self.position

    def _draw(self, table: Table, chance: int, index: int, out: Floats) -> int:
        """Put the window that ``chance`` decides into its row; gives its label."""
        image, label, *box = table[draws.below(len(table), self._seed, chance, CHOICE)].tolist()
        try:
            self._put(self._pixels(image), box, index, out)
        except CaffeError as error:
            raise error.at(place(self.name, self._windows.images[image].encode())) from None
        return int(label)

    def _another(self, error: CaffeError, table: Table, index: int, out: Floats) -> int:
        """Another window, drawn in place of one whose image is bad."""
        chances = index + REDRAWS * np.arange(1, IN_A_ROW + 1)
        return self.skips.next_good(
            error, lambda number: self.skips.tried(self._draw, table, int(chances[number]), index, out)
        )

    def _pixels(self, image: int) -> Pixels:
        path = self._root + self._windows.images[image]
        if self._files is None:
            data = read_bytes(path)
        else:
            data = self._files.get(image) or self._files.setdefault(image, read_bytes(path))
        return images.decode(data, self._windows.channels == 3)

    def _put(self, pixels: Pixels, box: list[int], index: int, out: Floats) -> None:
        """Warp one window into its row of the batch."""
        cut = self._cut
        x1, y1, x2, y2 = expanded(box, cut)
        mirror = cut.mirror and draws.below(2, self._seed, index, draws.MIRROR) == 1
        columns, rows = Span(x1, x2, pixels.shape[2], cut.crop), Span(y1, y2, pixels.shape[1], cut.crop)
        if not (columns.seen and rows.seen):
            what = f"window {tuple(box)} lies outside of the image, {pixels.shape[2]} x {pixels.shape[1]}"
            raise DataError("", what, "correct the list")
        top, left = rows.before, columns.after if mirror else columns.before
        height, width = min(rows.length, cut.crop - top), min(columns.length, cut.crop - left)
        out[...] = 0
        if height > 0 and width > 0:
            part = resize(pixels[:, rows.first : rows.last + 1, columns.first : columns.last + 1], height, width)
            area = (slice(None), slice(top, top + height), slice(left, left + width))
            out[area] = (part[:, :, ::-1] if mirror else part) - self._mean[area]
            out[area] *= np.float32(cut.scale)

    def seek(self, position: int) -> None:
        """Go on with the window at ``position``. Raises ArgumentError where it is negative."""
        if position < 0:
            raise ArgumentError(self.name, f"position {position}", "positions are counted from 0")
        self.position = position

    def close(self) -> None:
        """Let the files of images go."""
        if self._files is not None:
            self._files.clear()


def expanded(box: list[int], cut: Cut) -> tuple[int, int, int, int]:
    """The box grown by its context, around its centre; it may reach out of the image. In float32, as Caffe does it."""
    x1, y1, x2, y2 = box
    if not cut.context_pad and not cut.square:
        return x1, y1, x2, y2
    scale = np.float32(cut.crop) / np.float32(cut.crop - 2 * cut.context_pad)
    half = [np.float32(last - first + 1) / np.float32(2) for first, last in ((x1, x2), (y1, y2))]
    middle = [np.float32(first) + h for first, h in zip((x1, y1), half, strict=True)]
    if cut.square:
        half = [max(half)] * 2
    starts = [_round(m - h * scale) for m, h in zip(middle, half, strict=True)]
    ends = [_round(m + h * scale) for m, h in zip(middle, half, strict=True)]
    return starts[0], starts[1], ends[0], ends[1]


class Span:
    """One axis of a window from ``first`` to ``last`` in an image of ``size``, warped to ``crop`` pixels.

    The part in the image, from ``first`` to ``last``, becomes ``length`` pixels, with room ``before`` and ``after``.
    """

    def __init__(self, first: int, last: int, size: int, crop: int) -> None:
        before, after = max(0, -first), max(0, last - size + 1)
        scale = np.float32(crop) / np.float32(max(1, last - first + 1))
        self.first, self.last = first + before, last - after
        self.before, self.after = _round(np.float32(before) * scale), _round(np.float32(after) * scale)
        self.length = _round(np.float32(self.last - self.first + 1) * scale)

    @property
    def seen(self) -> bool:
        """Whether any of it is in the image."""
        return self.first <= self.last


def _round(value: np.float32) -> int:
    """The nearest whole number, halves away from 0."""
    return int(np.copysign(np.floor(np.abs(value) + np.float32(0.5)), value))
