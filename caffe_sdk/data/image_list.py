"""Images that a text file lists, as Caffe's ImageData reads them: on every line a path, a space, and a label."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from caffe_sdk.data import images
from caffe_sdk.data.datum import Labels, Pixels, Record
from caffe_sdk.data.indexed import IndexedSource
from caffe_sdk.data.resize import resize
from caffe_sdk.errors import DataError
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


class ImageListSource(IndexedSource):
    """The images of a list, one line each. A `caffe_sdk.data.source.Source`.

    Paths may have spaces, and get ``root`` in front just as it is. Images become ``size`` (height, width) if it is
    given, and 3 channels, BGR, or with ``color`` False 1. With ``labels`` every label is an array of so many numbers;
    see `read_list`. The rest is as `IndexedSource` says.
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
        super().__init__(os.fspath(path), shuffle=shuffle, rand_skip=rand_skip, seed=seed, rank=rank, ranks=ranks)
        self._root, self._size, self._color = root, size, color
        self._images = read_list(path, labels)
        if rand_skip > len(self._images):
            what = f"rand_skip: {rand_skip} for {len(self._images)} images"
            raise DataError(self.name, what, f"skip at most {len(self._images)}")

    def __len__(self) -> int:
        return len(self._images)

    def record(self, number: int) -> Record:
        path, label = self._images[number]
        return Record((0, 0, 0), None, label, key=path.encode(), load=partial(self._pixels, path))

    def _pixels(self, path: str) -> Pixels:
        pixels = images.decode_together(read_bytes(self._root + path), self._color)
        return resize(images.planar(pixels), *self._size) if self._size is not None else pixels
