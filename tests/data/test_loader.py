"""Batches as the net gets them: equal to BVLC Caffe's, repeatable from any position, and never hanging."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.data import datum, images
from caffe_sdk.data.databases import create_database
from caffe_sdk.data.loader import Loader
from caffe_sdk.data.prefetch import Batch, Prefetcher
from caffe_sdk.data.source import DatabaseSource
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, HandleError, MissingFileError
from caffe_sdk.schema.messages import TEST, TRAIN, TransformationParameter
from tests.data.forks import exit_status


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Any:
    yield
    gc.collect()
    assert prefetch_threads() == []


@pytest.fixture
def ten(tmp_path: Path, rng: np.random.Generator) -> Path:
    with create_database(tmp_path / "ten", "LMDB") as writer:
        for i in range(10):
            writer.put(b"%08d" % i, datum.encode(rng.integers(0, 256, (3, 8, 9), np.uint8), i))
    return tmp_path / "ten"


def loader(
    path: Path, batch_size: int = 4, prefetch: int = 3, seed: int = 0, phase: int = TRAIN, **fields: Any
) -> Loader:
    fields = fields or {"crop_size": 5, "mirror": True, "scale": 0.5}
    a_transform = Transform(TransformationParameter(**fields), phase, "layer 'data' (Data)")
    return Loader(DatabaseSource(path), a_transform, batch_size, prefetch, seed)


def batches(a_loader: Loader, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(data.copy(), labels.copy()) for data, labels in (a_loader.next() for _ in range(count))]


def assert_same(ours: list[tuple[np.ndarray, np.ndarray]], theirs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for (data, labels), (other_data, other_labels) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(data, other_data)
        np.testing.assert_array_equal(labels, other_labels)


@pytest.mark.parametrize(
    ("name", "mean", "crop"),
    [
        ("leveldb_raw", "mean.binaryproto", 13),
        ("lmdb_raw", "mean.binaryproto", 14),
        ("lmdb_gray", "mean_gray.binaryproto", 15),
        ("lmdb_encoded", "mean.binaryproto", 14),
    ],
)
def test_batches_of_caffe(shared: Path, tmp_path: Path, name: str, mean: str, crop: int) -> None:
    """Three batches of five from twelve records, as BVLC Caffe's Data layer made them."""
    golden = shared / "golden/interop"
    shutil.copytree(golden / name, tmp_path / name)
    fields = {"mean_file": str(golden / mean), "scale": 0.0125, "crop_size": crop}
    with np.load(golden / f"net_{name}.npz") as want, loader(tmp_path / name, 5, phase=TEST, **fields) as ours:
        assert ours.shapes == [want["s0_out_data"].shape, (5,)]
        for step in range(3):
            data, labels = ours.next()
            np.testing.assert_allclose(data, want[f"s{step}_out_data"], rtol=0, atol=2e-6)
            np.testing.assert_array_equal(labels, want[f"s{step}_out_label"])


@pytest.mark.parametrize("prefetch", [0, 1, 2, 7])
def test_same_batches_for_any_depth(ten: Path, prefetch: int) -> None:
    with loader(ten, prefetch=3) as ours, loader(ten, prefetch=prefetch) as other:
        assert_same(batches(ours, 12), batches(other, 12))
        assert ours.position == other.position == 48


def test_resumed_equals_uninterrupted(ten: Path) -> None:
    with loader(ten, seed=9) as ours:
        whole = batches(ours, 10)
    with loader(ten, seed=9) as ours:
        batches(ours, 6)
        time.sleep(0.05)  # prefetched batches are not consumed ones
        position = ours.position
    assert position == 24
    with loader(ten, seed=9) as resumed:
        resumed.seek(position)
        assert resumed.position == position
        assert_same(batches(resumed, 4), whole[6:])
        resumed.seek(0)
        assert_same(batches(resumed, 10), whole)


def test_other_seed_other_crops(ten: Path) -> None:
    with loader(ten, seed=1) as ours, loader(ten, seed=2) as other:
        assert not np.array_equal(ours.next()[0], other.next()[0])


def test_building_reads_nothing_ahead(ten: Path) -> None:
    with loader(ten):
        assert prefetch_threads() == []


def test_shape_follows_the_first_record_of_a_batch(tmp_path: Path) -> None:
    with create_database(tmp_path / "db") as writer:
        for i, size in enumerate((2, 2, 5, 5)):
            writer.put(b"%d" % i, datum.encode(np.zeros((1, size, size), np.uint8), i))
    with loader(tmp_path / "db", 2, scale=1) as ours:
        assert [ours.next()[0].shape for _ in range(4)] == [(2, 1, 2, 2), (2, 1, 5, 5)] * 2


def test_bad_record_is_raised_in_its_turn(tmp_path: Path) -> None:
    with create_database(tmp_path / "db") as writer:
        for i in range(6):
            writer.put(b"%d" % i, datum.encode(np.full((1, 2, 2), i, np.uint8), i) if i != 4 else b"\x08")
    with loader(tmp_path / "db", 2, scale=1) as ours:
        assert ours.next()[1].tolist() == [0, 1]
        assert ours.next()[1].tolist() == [2, 3]
        for _ in range(3):
            with pytest.raises(DataError, match=r"db: record '4': Datum"):
                ours.next()
        assert ours.position == 4
        ours.seek(6)
        assert ours.next()[1].tolist() == [0, 1]


def test_records_of_two_sizes_in_a_batch(tmp_path: Path) -> None:
    with create_database(tmp_path / "db") as writer:
        writer.put(b"0", datum.encode(np.zeros((1, 2, 2), np.uint8), 0))
        writer.put(b"1", datum.encode(np.zeros((1, 3, 2), np.uint8), 0))
    with loader(tmp_path / "db", 2, scale=1) as ours, pytest.raises(DataError, match=r"record '1': is 1 x 3 x 2"):
        ours.next()


# -- bad records are skipped -------------------------------------------------------------------------------------------


@pytest.fixture
def holed(tmp_path: Path) -> Path:
    """Eight records; the first, two in a row and the last are bad, each in its own way."""
    good = [datum.encode(np.full((1, 2, 2), i, np.uint8), i) for i in range(8)]
    good[0] = datum.encode_image(b"no image", 0)
    good[3] = b"\x08"
    good[4] = datum.encode(np.zeros((1, 3, 2), np.uint8), 4)
    good[7] = datum.encode(np.zeros((1, 2, 2), np.uint8), np.float32([1, 2]))
    with create_database(tmp_path / "db", "LMDB") as writer:
        for i, value in enumerate(good):
            writer.put(b"%d" % i, value)
    return tmp_path / "db"


def skipping(path: Path, batch_size: int, **options: Any) -> Loader:
    transform = Transform(TransformationParameter(), TRAIN, "here")
    return Loader(DatabaseSource(path, **options), transform, batch_size, 2, skip_bad=True)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_the_next_good_record_takes_the_place_of_a_bad_one(
    holed: Path, batch_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    with skipping(holed, batch_size) as ours:
        assert ours.shapes == [(batch_size, 1, 2, 2), (batch_size,)]
        labels = [label for _ in range(48 // batch_size) for label in ours.next()[1].tolist()]
        assert labels == [1, 1, 2, 5, 5, 5, 6, 1] * 6
        assert ours.position == 48
        assert ours.skipped >= 24
        assert [record.message.split("'")[1] for record in caplog.records] == ["0", "3", "4", "7"]
        assert "is 3 x 2 x 1" not in caplog.text
        ours.seek(4)
        assert ours.next()[1].tolist()[0] == 5


def test_skipping_leaves_the_ranks_in_step(holed: Path) -> None:
    found = []
    for rank in (0, 1):
        with skipping(holed, 4, rank=rank, ranks=2) as ours:
            found.append([label for _ in range(2) for label in ours.next()[1].tolist()])
            assert ours.position == 16
    assert found == [[2, 2, 6, 6] * 2, [1, 5, 5, 1] * 2]


def test_nothing_but_bad_records_is_an_error(tmp_path: Path) -> None:
    with create_database(tmp_path / "db", "LMDB") as writer:
        for i in range(3):
            writer.put(b"%d" % i, b"nonsense")
    with pytest.raises(DataError, match=r"1000 records in a row are bad, first this one: .*record '0'"):
        skipping(tmp_path / "db", 1)
    gc.collect()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, rng: np.random.Generator, threads: int) -> None:
    with create_database(tmp_path / "db", "LMDB") as writer:
        for i in range(20):
            file = images.encode(rng.integers(0, 256, (3, 9, 8), np.uint8), "png" if i % 2 else "jpg")
            writer.put(b"%02d" % i, datum.encode_image(file, i))
    param = TransformationParameter(crop_size=5, mirror=True)
    with (
        Loader(DatabaseSource(tmp_path / "db"), Transform(param, TRAIN, ""), 6, 2, 3, threads=threads) as ours,
        Loader(DatabaseSource(tmp_path / "db"), Transform(param, TRAIN, ""), 6, 0, 3, threads=1) as other,
    ):
        assert_same(batches(ours, 8), batches(other, 8))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kinds", [("jpg",), ("jpg", "png", "raw")])
def test_numbers_go_where_they_belong_at_once(
    tmp_path: Path, rng: np.random.Generator, kinds: tuple[str, ...], threads: int
) -> None:
    """One thread alone leaves nothing to be put; more do, and the numbers are the same."""
    with create_database(tmp_path / "db", "LMDB") as writer:
        for i in range(20):
            pixels, kind = rng.integers(0, 256, (3, 9, 8), np.uint8), kinds[i % len(kinds)]
            encoded = datum.encode(pixels, i) if kind == "raw" else datum.encode_image(images.encode(pixels, kind), i)
            writer.put(b"%02d" % i, encoded)
    transform = Transform(TransformationParameter(crop_size=5, mirror=True), TRAIN, "")
    sink, out = np.empty((6, 3, 5, 5), np.float32), np.empty((6, 3, 5, 5), np.float32)
    with (
        Loader(DatabaseSource(tmp_path / "db"), transform, 6, 0, 3, threads=threads) as ours,
        Loader(DatabaseSource(tmp_path / "db"), transform, 6, 2, 3, threads=1) as other,
    ):
        for i in range(8):
            batch, (data, labels) = ours.next_batch(sink=sink if i % 4 else None), other.next()
            if i % 4 and threads == 1:
                np.testing.assert_array_equal(sink, data)
            batch.put(0, out)
            np.testing.assert_array_equal(out, data)
            np.testing.assert_array_equal(batch.arrays[0], labels)


def test_numbers_of_another_shape_than_foreseen(tmp_path: Path, rng: np.random.Generator) -> None:
    records = [rng.integers(0, 256, (3, size, size), np.uint8) for size in (4, 4, 9, 9)]
    with create_database(tmp_path / "db") as writer:
        for i, pixels in enumerate(records):
            writer.put(b"%d" % i, datum.encode_image(images.encode(pixels, "png"), i))
    transform = Transform(TransformationParameter(), TRAIN, "")
    with Loader(DatabaseSource(tmp_path / "db"), transform, 2, 0, threads=1) as ours:
        sink = np.zeros((2, 3, 4, 4), np.float32)
        for first in (0, 2, 0):
            batch = ours.next_batch(sink=sink)
            out = np.empty(batch.shapes[0], np.float32)
            batch.put(0, out)
            np.testing.assert_array_equal(out, np.stack(records[first : first + 2]))


def test_a_bad_record_among_numbers_that_go_where_they_belong(holed: Path) -> None:
    transform = Transform(TransformationParameter(), TRAIN, "here")
    with Loader(DatabaseSource(holed), transform, 8, 0, threads=1, skip_bad=True) as ours:
        sink = np.empty((8, 1, 2, 2), np.float32)
        batch = ours.next_batch(sink=sink)
        assert batch.arrays[0].tolist() == sink[:, 0, 0, 0].tolist() == [1, 1, 2, 5, 5, 5, 6, 1]


def test_what_is_wrong_is_said_at_once(ten: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no_mean"):
        loader(ten, mean_file=str(tmp_path / "no_mean"))
    with pytest.raises(MissingFileError, match="no_db"):
        loader(tmp_path / "no_db")
    with pytest.raises(ArgumentError, match="batch_size 0"):
        loader(ten, batch_size=0)
    gc.collect()


def test_closed(ten: Path) -> None:
    ours = loader(ten)
    ours.next()
    assert len(prefetch_threads()) == 1
    ours.close()
    ours.close()
    assert prefetch_threads() == []
    with pytest.raises(HandleError, match="closed"):
        ours.next()


def test_forgotten(ten: Path) -> None:
    ours = loader(ten)
    ours.next()
    gone = weakref.ref(ours)
    del ours
    gc.collect()
    assert gone() is None
    assert prefetch_threads() == []


class Slow:
    """A filler that can be held up."""

    name = "slow"

    def __init__(self) -> None:
        self.go = threading.Event()

    def fill(self, batch: Batch) -> None:
        if not self.go.wait(20):
            raise DataError("slow", "nobody let it go")

    def seek(self, position: int) -> None:
        self.go.set()


def test_closing_frees_a_waiting_consumer() -> None:
    filler = Slow()
    ours = Prefetcher(filler, 2)
    raised: list[BaseException] = []

    def consume() -> None:
        try:
            ours.next()
        except HandleError as error:
            raised.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.05)
    closer = threading.Thread(target=ours.close)
    closer.start()
    consumer.join(10)
    assert not consumer.is_alive()
    assert "closed while it was read" in str(raised[0])
    filler.go.set()
    closer.join(10)
    assert not closer.is_alive()


def test_other_exceptions_come_through_too() -> None:
    class Broken(Slow):
        def fill(self, batch: Batch) -> None:
            raise MemoryError("no more")

    ours = Prefetcher(Broken(), 2)
    with pytest.raises(MemoryError, match="no more"):
        ours.next()
    ours.close()


def test_source_closed_under_the_loader(ten: Path) -> None:
    ours = loader(ten, batch_size=1)
    ours.next()
    ours._filler.close()
    with pytest.raises((HandleError, CorruptFileError)):
        batches(ours, 10)
    ours.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["LEVELDB", "LMDB"])
def test_a_forked_child_goes_on(tmp_path: Path, rng: np.random.Generator, backend: str) -> None:
    with create_database(tmp_path / "db", backend) as writer:
        for i in range(10):
            writer.put(b"%08d" % i, datum.encode(rng.integers(0, 256, (3, 8, 9), np.uint8), i))
    with loader(tmp_path / "db") as ours, loader(tmp_path / "db") as other:
        want = batches(other, 6)
        batches(ours, 2)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert_same(batches(ours, 4), want[2:])
                ours.close()
                other.close()
                status = 0
            finally:
                os._exit(status)
        assert exit_status(child) == 0
        assert_same(batches(ours, 4), want[2:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["LEVELDB", "LMDB"])
def test_forks_at_any_moment(tmp_path: Path, root: Path, rng: np.random.Generator, backend: str) -> None:
    """Threads are inside the database's library most of the time: a fork that came then would leave its locks shut."""
    with create_database(tmp_path / "db", backend) as writer:
        for i in range(200):
            writer.put(b"%08d" % i, datum.encode(rng.integers(0, 256, (3, 60, 60), np.uint8), i))
    command = [sys.executable, "-m", "tests.data.forks", str(tmp_path / "db")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


EXIT = """
import sys
from caffe_sdk.data.loader import Loader
from caffe_sdk.data.source import DatabaseSource
from caffe_sdk.data.transform import Transform
from caffe_sdk.schema.messages import TRAIN, TransformationParameter
loader = Loader(DatabaseSource(sys.argv[1]), Transform(TransformationParameter(), TRAIN, "here"), 4, threads=3)
loader.next()
print("read", flush=True)
"""


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Images that take a while to decode."""
    with create_database(tmp_path / "pictures", "LMDB") as writer:
        for i in range(8):
            file = images.encode(rng.integers(0, 256, (3, 300, 300), np.uint8), "png")
            writer.put(b"%d" % i, datum.encode_image(file, i))
    return tmp_path / "pictures"


@pytest.mark.parametrize(("kind", "end"), [("ten", ""), ("ten", "raise SystemExit(0)"), ("pictures", "")])
def test_an_interpreter_that_ends_does_not_hang(
    kind: str, end: str, root: Path, request: pytest.FixtureRequest
) -> None:
    command = [sys.executable, "-W", "error", "-c", EXIT + end, str(request.getfixturevalue(kind))]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "read\n", "")
