"""Images that a text file lists, as Caffe's ImageData reads them: on every line a path, a space, and a label."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from caffe_sdk.data import draws, images
from caffe_sdk.data.datum import Labels, Pixels, Record
from caffe_sdk.data.resize import resize
from caffe_sdk.errors import ArgumentError, DataError
from caffe_sdk.schema.files import read_bytes, read_text

Label = int | Labels


def read_list(path: str | os.PathLike[str], labels: int = 0) -> list[tuple[str, Label]]:
    """The lines of a list of images: paths, which may have spaces, and labels.

    A label is a whole number, as in Caffe, or with ``labels`` the array of so many numbers that end the line. Raises
    MissingFileError if there is no list, DataError for a list without images or a line that is none.
    """
    name = os.fspath(path)
    lines = enumerate(read_text(path).splitlines(), 1)
    listed = [_parsed(name, number, line, labels) for number, line in lines if line.strip()]
    if not listed:
        raise DataError(name, "the list is empty", "give a path and a label on each line")
    return listed


def _parsed(name: str, number: int, line: str, labels: int) -> tuple[str, Label]:
    path, *words = line.rstrip().rsplit(" ", max(labels, 1))
    try:
        if len(words) < labels:
            raise ValueError
        return path, np.array(words, np.float32) if labels else int(words[0])
    except (ValueError, IndexError):
        form = f"{labels} numbers" if labels else "a whole number"
        raise DataError(name, f"line {number} is '{line}'", f"give a path, a space and {form}") from None


class ImageListSource:
    """The images of a list, one line each. A `caffe_sdk.data.source.Source`.

    Paths may have spaces, and get ``root`` in front just as it is. Images become ``size`` (height, width) if it is
    given, and 3 channels, BGR, or with ``color`` False 1. With ``shuffle`` every pass through the list has another
    order, decided by ``seed``. ``rand_skip`` passes over a number of images below it, chosen by ``seed``, before the
    stream begins. With ``labels`` every label is an array of so many numbers; see `read_list`. Rank number ``rank`` of
    ``ranks`` gets one of every ``ranks`` images.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str = "",
        *,
        size: tuple[int, int] | None = None,
        color: bool = True,
        shuffle: bool = False,
        rand_skip: int = 0,
        labels: int = 0,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Raises what `read_list` does, and DataError where ``rand_skip`` is more than there are images."""
        self.name = os.fspath(path)
        self.position = 0
        if not 0 <= rank < ranks:
            raise ArgumentError(self.name, f"rank {rank} of {ranks}", "ranks are counted from 0")
        self._root, self._size, self._color, self._shuffle, self._seed = root, size, color, shuffle, seed
        self._rank, self.step = rank, ranks
        self._images = read_list(path, labels)
        if rand_skip and rand_skip > len(self._images):
            what = f"rand_skip: {rand_skip} for {len(self._images)} images"
            raise DataError(self.name, what, f"skip at most {len(self._images)}")
        self._skip = draws.below(rand_skip, seed, 0, draws.SKIP) if rand_skip else 0
        self._order = -1, np.empty(0, np.int64)

    def first(self) -> Record:
        """The first image of the stream."""
        return self._record(0)

    def read(self) -> Record:
        """The next image of this rank, whose file is read and decoded when its pixels are asked for."""
        record = self._record(self.position + self._rank)
        self.position += self.step
        return record

    def _record(self, index: int) -> Record:
        turn, number = divmod(self._skip + index, len(self._images))
        path, label = self._images[self._permutation(turn)[number] if self._shuffle else number]
        return Record((0, 0, 0), None, label, key=path.encode(), index=index, load=partial(self._pixels, path))

    def _pixels(self, path: str) -> Pixels:
        pixels = images.decode(read_bytes(self._root + path), self._color)
        return resize(pixels, *self._size) if self._size is not None else pixels

    def _permutation(self, turn: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if self._order[0] != turn:
            generator = np.random.default_rng([self._seed & (2**64 - 1), turn])
            self._order = turn, generator.permutation(len(self._images))
        return self._order[1]

    def seek(self, position: int) -> None:
        """Take the stream up at ``position``. Raises ArgumentError where it is negative."""
        if position < 0:
            raise ArgumentError(self.name, f"position {position}", "positions are counted from 0")
        self.position = position

    def close(self) -> None:
        """Nothing is held open."""
