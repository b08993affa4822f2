"""The mean image of a database, as Caffe's compute_image_mean makes it."""

from __future__ import annotations

import logging
import os

import numpy as np

from caffe_sdk.data import images
from caffe_sdk.data.databases import Progress, open_database
from caffe_sdk.data.datum import Pixels, parse
from caffe_sdk.data.kernels_numpy import Floats
from caffe_sdk.data.parallel import ordered_map
from caffe_sdk.data.source import place
from caffe_sdk.errors import CaffeError, DataError

EVERY = 10000  # records from one line of the log to the next
SHOWN = 100  # and from one step of the progress to the next

log = logging.getLogger(__name__)


def compute_mean(
    path: str | os.PathLike[str], backend: str | None = None, *, workers: int = 0, progress: Progress | None = None
) -> Floats:
    """The mean of all records of a database, (channels, height, width) float32; encoded images are decoded as they are.

    Sums are kept in float64, where Caffe's float32 loses pixels beyond 2^24 / 255 records. Raises what `open_database`
    does, and DataError for an empty database, a record that does not decode, and records of different shapes.
    """
    name = os.fspath(path)
    with open_database(path, backend) as database:
        total = len(database) if progress else 0
        count, sums = 0, np.empty(0)
        for key, pixels in ordered_map(lambda item: (item[0], _pixels(name, *item)), database.items(), workers):
            if not count:
                sums = np.zeros(pixels.shape)
            if pixels.shape != sums.shape:
                what = f"is {_text(pixels)}, the first record {_text(sums)}"
                raise DataError(place(name, key), what, "records of a mean must have one shape: resize them")
            np.add(sums, pixels, out=sums)
            count += 1
            if count % EVERY == 0:
                log.info("Processed %d files.", count)
            if progress and (count % SHOWN == 0 or count == total):
                progress(name, count, total)
    if not count:
        raise DataError(name, "the database holds no records", "check how it was made")
    if count % EVERY:
        log.info("Processed %d files.", count)
    return (sums.astype(np.float32) / np.float32(count)).astype(np.float32)


def _pixels(name: str, key: bytes, value: bytes) -> Pixels:
    try:
        record = parse(value)
        return images.decode(record.encoded or b"") if record.array is None else record.array
    except CaffeError as error:
        raise error.at(place(name, key)) from None


def _text(array: Pixels) -> str:
    return " x ".join(map(str, array.shape))
