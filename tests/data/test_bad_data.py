"""Data that is damaged, missing or wrong, through a net: the error says where, nothing hangs or is left behind."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.data import datum
from caffe_sdk.data.databases import create_database, write_arrays
from caffe_sdk.errors import CaffeError, CorruptFileError, DataError, FileError, MissingFileError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

pytestmark = pytest.mark.timeout(60)  # the watchdog: whatever hangs fails

Break = Callable[[Path], None]
ROWS = 40


def make(folder: Path) -> None:
    """The same forty examples in a database of each kind, as images, windows and rows of HDF5 files."""
    pixels = np.random.default_rng(1).integers(0, 256, (ROWS, 3, 16, 16), np.uint8)
    for backend in ("leveldb", "lmdb"):
        write_arrays(folder / backend, pixels, np.arange(ROWS), backend)
    lines = []
    for i, one in enumerate(pixels):
        Image.fromarray(one.transpose(1, 2, 0)).save(folder / f"{i:02d}.png")
        lines.append(f"{folder}/{i:02d}.png {i}\n")
    (folder / "images.txt").write_text("".join(lines))
    (folder / "windows.txt").write_text(
        "".join(f"# {i}\n{folder}/{i:02d}.png\n3\n16\n16\n1\n1 1.0 0 0 9 9\n" for i in range(ROWS))
    )
    for name, part in (("a", slice(0, 20)), ("b", slice(20, 40))):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"], file["label"] = pixels[part].astype("f4"), np.arange(ROWS)[part]
    (folder / "rows.txt").write_text(f"{folder}/a.h5\n{folder}/b.h5\n")


LAYERS = {
    "leveldb": 'type: "Data" data_param { source: "%s/leveldb" batch_size: 4 %s }',
    "lmdb": 'type: "Data" data_param { source: "%s/lmdb" batch_size: 4 backend: LMDB %s }',
    "images": 'type: "ImageData" image_data_param { source: "%s/images.txt" batch_size: 4 } data_param { %s }',
    "windows": 'type: "WindowData" transform_param { crop_size: 8 } window_data_param { source: "%s/windows.txt" '
    "batch_size: 4 fg_fraction: 1 } data_param { %s }",
    "rows": 'type: "HDF5Data" hdf5_data_param { source: "%s/rows.txt" batch_size: 4 } data_param { %s }',
}


def net(folder: Path, kind: str, more: str = "") -> caffe.Net:
    caffe.set_random_seed(1)
    text = LAYERS[kind] % (folder, more)
    return caffe.Net(
        prototxt.parse(f'layer {{ name: "in" {text} top: "data" top: "label" }}', NetParameter), caffe.TEST
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    make(folder)
    return folder


# -- breaking things ---------------------------------------------------------------------------------------------------


def cut_table(folder: Path) -> None:
    (table,) = (folder / "leveldb").glob("*.ldb")
    os.truncate(table, table.stat().st_size // 2)


def flip_bits(folder: Path) -> None:
    (table,) = (folder / "leveldb").glob("*.ldb")
    data = bytearray(table.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    table.write_bytes(data)


def cut_lmdb(folder: Path) -> None:
    os.truncate(folder / "lmdb" / "data.mdb", 20000)


def corrupt_record(folder: Path) -> None:
    records = [datum.encode(np.zeros((3, 16, 16), np.uint8), i) for i in range(ROWS)]
    records[30] = records[30][:100]
    with create_database(folder / "lmdb", "lmdb", overwrite=True) as writer:
        for i, record in enumerate(records):
            writer.put(b"%08d" % i, record)


def no_image(folder: Path) -> None:
    (folder / "30.png").write_bytes((folder / "30.png").read_bytes()[:70])


def no_file(folder: Path) -> None:
    (folder / "30.png").unlink()


def no_number(folder: Path) -> None:
    caffe.set_random_seed(1)
    text = (folder / "images.txt").read_text()
    (folder / "images.txt").write_text(text.replace("30.png 30", "30.png cat"))


def wrong_dataset(folder: Path) -> None:
    with h5py.File(folder / "b.h5", "w") as file:
        file["data"] = np.zeros((20, 3, 16, 16))
        file["labels"] = np.zeros(20)


def no_rows(folder: Path) -> None:
    (folder / "b.h5").write_bytes((folder / "b.h5").read_bytes()[:4000])


def no_more_rows(folder: Path) -> None:
    (folder / "b.h5").unlink()


BROKEN: list[tuple[str, Break, type[CaffeError], str]] = [
    ("leveldb", cut_table, CorruptFileError, r"leveldb: table \d+\.ldb has \d+ bytes of \d+"),
    ("leveldb", flip_bits, CorruptFileError, r"leveldb: table \d+\.ldb has wrong bytes"),
    ("lmdb", cut_lmdb, CorruptFileError, "the file is cut short"),
    ("lmdb", corrupt_record, DataError, "lmdb: record '00000030': Datum"),
    ("images", no_image, DataError, "images.txt: record '.*30.png': image"),
    ("images", no_file, MissingFileError, "images.txt: record '.*30.png': Could not open file"),
    ("images", no_number, DataError, "images.txt: line 31 is '.*30.png cat'"),
    ("windows", no_image, DataError, "windows.txt: record '.*30.png': image"),
    ("windows", no_file, MissingFileError, "windows.txt: record '.*30.png': Could not open file"),
    ("rows", wrong_dataset, DataError, "b.h5: has no dataset 'label'; .*there are: data, labels"),
    ("rows", no_rows, FileError, "b.h5"),
    ("rows", no_more_rows, MissingFileError, "b.h5, which .*rows.txt lists: it does not exist"),
]


CASES = [(*case, False) for case in BROKEN]
CASES += [(*case, True) for case in BROKEN if case[1] in (no_image, no_file, no_more_rows)]


@pytest.mark.parametrize(("kind", "damage", "error", "words", "open_first"), CASES)
def test_the_error_says_where(
    tmp_path: Path, kind: str, damage: Break, error: type[CaffeError], words: str, open_first: bool
) -> None:
    make(tmp_path)
    if not open_first:
        damage(tmp_path)
    before = threading.active_count()
    with pytest.raises(error, match=words) as caught:
        read(tmp_path, kind, damage if open_first else None)
    assert "layer 'in'" in str(caught.value)
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize("damage", [no_image, no_file])
def test_bad_images_are_skipped_and_counted(tmp_path: Path, damage: Break, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path)
    damage(tmp_path)
    with net(tmp_path, "images", "skip_bad: true") as ours:
        labels = []
        for _ in range(10):
            ours.forward()
            labels += ours.blobs["label"].data.astype(int).tolist()
        assert labels == [31 if i == 30 else i for i in range(ROWS)]
        assert ours.layers[0].skipped >= 1
    (record,) = caplog.records
    assert "30.png" in record.message


@pytest.mark.parametrize("damage", [no_image, no_file])
def test_windows_of_bad_images_are_drawn_again(tmp_path: Path, damage: Break, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path)
    with net(tmp_path, "windows") as ours:
        whole = [np.array(ours.forward()["data"]) for _ in range(ROWS)]
    damage(tmp_path)
    with net(tmp_path, "windows", "skip_bad: true") as ours:
        parts = [np.array(ours.forward()["data"]) for _ in range(ROWS)]
        pairs = zip(np.concatenate(whole), np.concatenate(parts), strict=True)
        other = sum(not np.array_equal(one, two) for one, two in pairs)
        assert 0 < other <= ours.layers[0].skipped <= other + 16
    (record,) = caplog.records
    assert "30.png" in record.message


def read(folder: Path, kind: str, damage: Break | None) -> None:
    """A few passes through the data, which is damaged after it was opened."""
    with net(folder, kind) as ours:
        if damage:
            damage(folder)
        for _ in range(3 * ROWS // 4):
            ours.forward()


# -- nothing is left behind --------------------------------------------------------------------------------------------


def held() -> tuple[int, int]:
    """File descriptors and threads of this process."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.parametrize("kind", LAYERS)
def test_a_thousand_openings_leave_nothing(whole: Path, kind: str) -> None:
    """Two hundred of each kind: every second one reads ahead in a thread, every fifth is only forgotten."""
    with net(whole, kind) as ours:
        ours.forward()
    before = held()
    for number in range(200):
        ours = net(whole, kind, "prefetch: 2")
        if number % 2:
            ours.forward()
        if number % 5:
            ours.close()
        del ours
    assert held() == before
