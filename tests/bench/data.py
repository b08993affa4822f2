"""How fast data comes in: bytes of records a second, and images a second, on one core.

::

    taskset -c 0 python tests/bench/data.py
    taskset -c 0 python tests/bench/data.py --records 500 --rounds 3

Records are 3 x 256 x 256, in memory once they have been read. ``read`` walks a database, ``decoded`` takes its images
apart; ``layer`` is a Data layer with a random crop of 227, mirror and mean, from the database to its blob, decoding by
one thread. What one core does is counted by the processor's time, so what else runs on the computer hardly matters;
``busy`` is that time's share of the clock's. Cases take turns, and the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import caffe_sdk as caffe
from caffe_sdk.data import datum, images
from caffe_sdk.data.databases import create_database, open_database
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

SIDE, CROP, BATCH = 256, 227, 32
JPEGS = [(decoder, "jpeg", "JPEG 95") for decoder in ("simplejpeg", "cv2", "PIL.Image")]
JPEGS += [("simplejpeg", "jpeg75", "JPEG 75")]
"""Decoder, database and what the lines say."""

Case = Callable[[], int]
"""Something timed; gives how many bytes or images it took in."""

NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ crop_size: {crop} mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }}
  data_param {{ source: "{path}" backend: {backend} batch_size: {batch} prefetch: {prefetch} threads: 1 }} }}
"""


def make(folder: Path, count: int) -> None:
    """Databases of raw records, a LevelDB and an LMDB, and of JPEGs: smooth pictures with some noise.

    Those in ``jpeg`` are of quality 95, OpenCV's usual one (20 KB each), those in ``jpeg75`` of libjpeg's, 75 (9 KB).
    """
    rng = np.random.default_rng(1)
    with (
        create_database(folder / "leveldb", "leveldb") as leveldb,
        create_database(folder / "lmdb", "lmdb") as lmdb,
        create_database(folder / "jpeg", "lmdb") as fine,
        create_database(folder / "jpeg75", "lmdb") as usual,
    ):
        for i in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((SIDE, SIDE), 3)
            noise = rng.integers(-2, 3, (SIDE, SIDE, 3))
            pixels = np.clip(np.asarray(coarse, int) + noise, 0, 255).astype(np.uint8).transpose(2, 0, 1)
            for writer in (leveldb, lmdb):
                writer.put(b"%08d" % i, datum.encode(pixels, i % 10))
            fine.put(b"%08d" % i, datum.encode_image(images.encode(pixels, "jpg"), i % 10))
            file = io.BytesIO()
            Image.fromarray(pixels[::-1].transpose(1, 2, 0)).save(file, "JPEG")
            usual.put(b"%08d" % i, datum.encode_image(file.getvalue(), i % 10))


def net(folder: Path, name: str, prefetch: int) -> caffe.Net:
    """A net of one Data layer."""
    backend = "LEVELDB" if name == "leveldb" else "LMDB"
    text = NET.format(path=folder / name, backend=backend, crop=CROP, batch=BATCH, prefetch=prefetch)
    return caffe.Net(prototxt.parse(text, NetParameter), caffe.TRAIN)


def read(folder: Path, name: str) -> int:
    """Walk a whole database."""
    with open_database(folder / name) as database:
        return sum(len(value) for _, value in database.items())


def forward(ours: caffe.Net, batches: int, each: int) -> int:
    """Forward passes, each of so many bytes or images."""
    for _ in range(batches):
        ours.forward()
    return batches * BATCH * each


def first_pass(folder: Path, batches: int, each: int) -> int:
    """Forward passes of a net that has just opened its LevelDB, and so checks the checksums of what it reads."""
    ours = net(folder, "leveldb", 4)
    try:
        return forward(ours, batches, each)
    finally:
        ours.layers[0].close()


def decode_all(folder: Path, name: str, decoder: str) -> int:
    """Decode all images of a database, and nothing else."""
    with only(decoder), open_database(folder / name) as database:
        for _, value in database.items():
            images.decode(datum.parse(value).encoded or b"")
        return len(database)


@contextmanager
def only(decoder: str) -> Iterator[None]:
    """Let no other decoder be found."""
    found = images._module
    images._module = lambda name: found(name) if name == decoder else None
    try:
        yield
    finally:
        images._module = found


def timed(case: Case) -> tuple[float, float]:
    """Per second of the processor, and how much of the clock's time that was."""
    clock, processor = time.perf_counter(), time.process_time()
    done = case()
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    return done / processor, processor / clock


def cases(folder: Path, batches: int) -> Iterator[tuple[str, str, Case]]:
    """Name, unit and what to do; each holds what it needs open."""
    size = 3 * SIDE * SIDE
    for name in ("leveldb", "lmdb"):
        yield f"{name} read", "GB/s", lambda name=name: read(folder, name)  # type: ignore[misc]
        for prefetch in (0, 4):
            ours = net(folder, name, prefetch)
            forward(ours, 2, size)
            words = f"{name} layer, {prefetch} batches ahead"
            yield words, "GB/s", lambda ours=ours: forward(ours, batches, size)  # type: ignore[misc]
    yield "leveldb layer, first pass", "GB/s", lambda: first_pass(folder, batches, size)
    for decoder, name, words in JPEGS:
        if images._module(decoder) is None:
            print(f"{decoder} is not installed")
            continue
        ours = net(folder, name, 0)

        def decode(ours: caffe.Net = ours, decoder: str = decoder) -> int:
            with only(decoder):
                return forward(ours, batches, 1)

        decode()
        alone = partial(decode_all, folder, name, decoder)
        yield f"{words} decoded, {decoder}", "images/s", alone
        yield f"{words} layer, {decoder}", "images/s", decode


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1000, help="how many there are (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is timed (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.records)
        batches = max(1, options.records // BATCH)
        measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
        listed = list(cases(Path(folder), batches))
        for _ in range(options.rounds):
            for name, unit, case in listed:
                measured.setdefault((name, unit), []).append(timed(case))
    for (name, unit), results in measured.items():
        rate = statistics.median(rate for rate, _ in results) / (1e9 if unit == "GB/s" else 1)
        busy = statistics.median(busy for _, busy in results)
        print(f"{name:34} {rate:10,.2f} {unit:9} {100 * busy:4.0f} % busy")


if __name__ == "__main__":
    main()
