"""A database of the images that a text file lists, as Caffe's convert_imageset makes it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffe_sdk.data import images
from caffe_sdk.data.databases import Progress, create_database
from caffe_sdk.data.datum import encode, encode_image
from caffe_sdk.data.image_list import Label, read_list
from caffe_sdk.data.parallel import ordered_map
from caffe_sdk.data.resize import resize
from caffe_sdk.data.source import place
from caffe_sdk.errors import CaffeError, DataError
from caffe_sdk.schema.files import read_bytes

EVERY = 1000  # images from one line of the log to the next
SHOWN = 20  # and from one step of the progress to the next

log = logging.getLogger(__name__)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """How images become records: the flags of convert_imageset.

    ``size`` (height, width) counts if neither is 0. ``encoded`` keeps the image files, or with ``encode_type`` ('png',
    'jpg') or a size makes new ones of that kind. ``check_size`` wants all of one shape. With ``labels`` so many numbers
    end every line, written as an array; Caffe itself has one whole number.
    """

    gray: bool = False
    size: tuple[int, int] = (0, 0)
    encoded: bool = False
    encode_type: str = ""
    check_size: bool = False
    labels: int = 0


@dataclass(frozen=True)
class Outcome:
    """How many records were written, and the keys of the images that could not be read."""

    written: int
    skipped: list[str]


def convert_images(
    root: str,
    listfile: str | os.PathLike[str],
    path: str | os.PathLike[str],
    backend: str = "LMDB",
    form: Form | None = None,
    *,
    shuffle: bool = False,
    seed: int = 0,
    workers: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Make a database at ``path`` of the images in ``listfile``, whose paths get ``root`` in front just as it is.

    Keys are the number of the line, of eight digits, and the path: '00000012_cat.jpg'. Records are byte for byte those
    of Caffe, which like this skips images that do not decode. ``shuffle`` mixes the lines, by ``seed``. The database
    appears when it is complete. Raises what `read_list` and `create_database` do, DataError where ``check_size`` finds
    another shape, ArgumentError for an ``encode_type`` that nobody can write.
    """
    form = form or Form()
    listed = read_list(listfile, form.labels)
    if shuffle:
        log.info("Shuffling data")
        listed = [listed[i] for i in np.random.default_rng(seed).permutation(len(listed))]
    log.info("A total of %d images.", len(listed))
    if form.encode_type:
        images.encode(np.zeros((3, 1, 1), np.uint8), form.encode_type)  # say now whether that can be done
        if not form.encoded:
            log.info("encode_type specified, assuming encoded=true.")
    skipped: list[str] = []
    written = 0
    first: Shape = ()
    with create_database(path, backend) as writer:
        results = ordered_map(lambda entry: _record(root, *entry, form), listed, workers)
        for number, ((name, _), result) in enumerate(zip(listed, results, strict=True), 1):
            key = f"{number - 1:08d}_{name}"
            if isinstance(result, CaffeError):
                log.error("Could not open or find file %s%s: %s", root, name, result)
                skipped.append(key)
            else:
                record, shape = result
                first = first or shape
                if form.check_size and shape != first:
                    what = f"is {_text(shape)}, the first image {_text(first)}"
                    raise DataError(place(os.fspath(listfile), name.encode()), what, "resize them, or drop check_size")
                writer.put(key.encode(), record)
                written += 1
                if written % EVERY == 0:
                    log.info("Processed %d files.", written)
            if progress and (number % SHOWN == 0 or number == len(listed)):
                progress(os.fspath(path), number, len(listed))
    if written % EVERY:
        log.info("Processed %d files.", written)
    return Outcome(written, skipped)


def _record(root: str, name: str, label: Label, form: Form) -> tuple[bytes, Shape] | CaffeError:
    """The bytes of the Datum and the shape of its pixels, or why there is none."""
    try:
        file = read_bytes(root + name)
        pixels = images.decode(file, not form.gray)
    except CaffeError as error:
        return error
    resized = 0 not in form.size
    if resized:
        pixels = resize(pixels, *form.size)
    kind = form.encode_type or (Path(name).suffix[1:].lower() if form.encoded else "")
    if not kind:
        return encode(pixels, label, encoded=False), pixels.shape
    if resized or not _is_kind(name, kind):
        file = images.encode(pixels, kind)
    return encode_image(file, label), pixels.shape


def _is_kind(name: str, kind: str) -> bool:
    """Whether a file is of a kind by the end of its name."""
    suffix = Path(name).suffix[1:].lower()
    return suffix == kind or (suffix, kind) == ("jpeg", "jpg")


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
