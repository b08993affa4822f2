"""LevelDBs read without LevelDB: what the library reads, after any history, and clear errors for any damage."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plyvel
import pytest

from caffe_sdk.data import kernels_numba, kernels_numpy, leveldb, leveldb_state, leveldb_tables
from caffe_sdk.data.database import Walk
from caffe_sdk.data.databases import create_database, open_database
from caffe_sdk.data.leveldb_state import read_state
from caffe_sdk.data.leveldb_tables import MOST
from caffe_sdk.data.leveldb_writer import LevelDBWriter
from caffe_sdk.errors import CorruptFileError, DeviceError


def history(path: Path, seed: int, **options: Any) -> list[tuple[bytes, bytes]]:
    """Make a database by writing, overwriting and deleting records, in several openings; gives what is there then."""
    choose = random.Random(seed)
    database = None
    for _ in range(3):
        if database is not None:
            database.close()
        database = plyvel.DB(str(path), create_if_missing=True, write_buffer_size=70_000, **options)
        for _ in range(400):
            key = b"%05d" % choose.randrange(500)
            if choose.random() < 0.2:
                database.delete(key)
            else:
                noise = choose.randbytes(choose.randrange(300))
                database.put(key, noise + b"the same " * choose.randrange(300) + noise[:7])
        if choose.random() < 0.5:
            database.compact_range()
    assert database is not None
    found = list(database)
    database.close()
    return found


@pytest.mark.parametrize("options", [{}, {"compression": None}, {"block_size": 200, "block_restart_interval": 3}])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_library_reads_the_same(tmp_path: Path, seed: int, options: dict[str, Any]) -> None:
    want = history(tmp_path / "db", seed, **options)
    with open_database(tmp_path / "db") as ours, Walk(ours) as walk:
        assert list(ours.items()) == want
        assert len(ours) == len(want)
        for number in (7, 3, len(want) - 1):
            assert walk.seek(number)
            assert (walk.key(), walk.value()) == want[number]
        cursor = ours.handle.cursor()
        for key in (b"", b"00100", b"002505", b"00499"):
            rest = [pair for pair in want if pair[0] >= key]
            assert cursor.seek(key) == bool(rest)
            assert not rest or (cursor.key(), cursor.value()) == rest[0]
        assert not cursor.seek(b"9")
        assert (cursor.key(), cursor.value()) == (b"", b"")
        cursor.close()
    assert any(len(tables) > 0 for tables in read_state(str(tmp_path / "db")).levels.values())


def test_more_tables_than_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = history(tmp_path / "db", 4)
    monkeypatch.setattr(leveldb, "OPEN_FILES", 1)
    with open_database(tmp_path / "db") as ours:
        one, other = ours.items(), ours.items(100)
        first = [next(one) for _ in range(50)]
        assert first + list(one) == want
        assert list(other) == want[100:]


def test_where_files_are_not_read_at_any_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: without pread, and without descriptors of folders."""
    want = history(tmp_path / "db", 5)
    monkeypatch.delattr(os, "pread")
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with open_database(tmp_path / "db") as ours:
        assert list(ours.items()) == want


def test_plyvel_is_for_writing_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create_database(tmp_path / "db", "LEVELDB") as writer:
        assert isinstance(writer, LevelDBWriter)
        writer.put(b"a", b"1")
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with open_database(tmp_path / "db") as database:
        assert list(database.items()) == [(b"a", b"1")]
    with pytest.raises(DeviceError, match="backend: LMDB"):
        create_database(tmp_path / "new", "LEVELDB")


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One table of 40 records in several blocks, of which half are compressed."""
    theirs = plyvel.DB(str(tmp_path / "db"), create_if_missing=True)
    for i in range(40):
        theirs.put(b"%02d" % i, (b"x" if i % 2 else random.Random(i).randbytes(10)) * 700)
    theirs.compact_range()
    theirs.close()
    return tmp_path / "db"


def table(path: Path) -> Path:
    return next(path.glob("*.ldb"))


def test_cut_short_while_it_is_open(small: Path) -> None:
    """LevelDB maps tables: it would take the process down."""
    with open_database(small) as database, Walk(database) as walk:
        assert walk.seek(2)
        os.truncate(table(small), 5000)
        with pytest.raises(CorruptFileError, match=r"db: table \d+\.ldb is cut short"):
            walk.seek(39)
        with pytest.raises(CorruptFileError, match="is cut short"):  # and again: this is not the end
            walk.step()


def test_any_wrong_byte_is_an_error_or_changes_nothing(small: Path) -> None:
    """Never another exception, never other records."""
    with open_database(small) as database:
        want = list(database.items())
    for file in (table(small), next(small.glob("MANIFEST-*")), small / "CURRENT"):
        content = file.read_bytes()
        choose, found = random.Random(1), 0
        for place in choose.sample(range(len(content)), min(len(content), 60)):
            broken = bytearray(content)
            broken[place] ^= choose.randrange(1, 256)
            file.write_bytes(broken)
            try:
                with open_database(small) as database:
                    assert list(database.items()) == want
            except CorruptFileError:
                found += 1
        assert found
        file.write_bytes(content)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leveldb, "PAUSE", 0)


def _no_manifest(path: Path) -> None:
    next(path.glob("MANIFEST-*")).unlink()


def _other_order(path: Path) -> None:
    shutil.rmtree(path)
    plyvel.DB(
        str(path), create_if_missing=True, comparator=lambda a, b: (a < b) - (a > b), comparator_name=b"down"
    ).close()


def _no_footer(path: Path) -> None:
    table(path).write_bytes(table(path).read_bytes()[:-8] + bytes(8))


def _pointing_elsewhere(path: Path) -> None:
    (path / "CURRENT").write_text("MANIFEST-/../../x\n")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: table(path).unlink(), "missing files"),
        (lambda path: os.truncate(table(path), 500), r"table \d+\.ldb has 500 bytes of \d+"),
        (lambda path: os.truncate(path / "CURRENT", 0), "CURRENT does not name a manifest"),
        (_pointing_elsewhere, "CURRENT does not name a manifest"),
        (_no_manifest, "MANIFEST-"),
        (_other_order, "an order of their own, down"),
        (_no_footer, "is no table"),
    ],
)
def test_damage_is_named(small: Path, damage: Any, words: str) -> None:
    damage(small)
    with pytest.raises(CorruptFileError, match=words), open_database(small) as database:
        list(database.items())


def logged(tmp_path: Path) -> Iterator[Path]:
    theirs = plyvel.DB(str(tmp_path / "db"), create_if_missing=True)
    for i in range(5):
        theirs.put(b"%d" % i, bytes(40_000))  # larger than a block of the log
    shutil.copytree(tmp_path / "db", tmp_path / "copy")
    theirs.close()
    yield tmp_path / "copy"


def test_a_log_that_breaks_off(tmp_path: Path) -> None:
    """Its writer died: the records before count. Wrong bytes before its end are an error."""
    (path,) = logged(tmp_path)
    log = next(path.glob("*.log"))
    os.truncate(log, 130_000)
    with open_database(path) as database:
        assert list(database.keys()) == [b"0", b"1", b"2"]
    content = bytearray(log.read_bytes())
    content[60_000] ^= 1
    log.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"\.log has wrong bytes at byte"):
        open_database(path)


def test_records_that_are_not_complete() -> None:
    whole = bytes(8) + b"\2\0\0\0" + b"\1\1a\1b" + b"\0\1c"
    entries = list(leveldb_state._batch("db", "log", whole))
    assert [(key, -order & 0xFF, bytes(value)) for key, order, value in entries] == [(b"a", 1, b"b"), (b"c", 0, b"")]
    for bad in (whole[:-1], whole[:-3] + b"\7\1c", whole[:15]):
        with pytest.raises(CorruptFileError, match="not complete"):
            list(leveldb_state._batch("db", "log", bad))
    with pytest.raises(IndexError):
        leveldb_tables.varint(b"\xff" * 12, 0)


def test_what_only_looks_packed(small: Path) -> None:
    """Nothing is set aside for sizes that cannot be."""
    with open_database(small) as database:
        file = next(iter(database.handle._state.levels[2].values()))
        packed = database.handle._table(file)._unpacked
        for data in (b"", b"\xff\xff\xff\xff\xff\x07abc", b"\x05\x00a"):
            assert packed(memoryview(data)) is None
        assert packed(memoryview(b"\x01\x00a")) == b"a"


# -- what is computed --------------------------------------------------------------------------------------------------


def test_checksums() -> None:
    """The values that RFC 3720 gives."""
    for data, want in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"123456789", 0xE3069283), (b"", 0)):
        array = np.frombuffer(data, np.uint8)
        for function in (kernels_numpy.crc32c, kernels_numba.crc32c, kernels_numba._crc_by_table):
            assert int(function(array)) == want


@pytest.mark.parametrize("module", [kernels_numpy, kernels_numba])
def test_snappy(module: Any) -> None:
    """Bytes as they are, with short and long lengths; copies from near and far, and of what they write themselves."""
    far = bytes(range(256)) * 300
    packed = b"\xf8" + (len(far) - 1).to_bytes(3, "little") + far
    packed += b"\x01\x04" + b"\x0a\x00\x01" + b"\x0f\x00\x00\x01\x00" + b"\x00!" + b"\x15\x01"
    want = far
    for length, offset in ((4, 4), (3, 256), (4, 65536)):
        want += want[len(want) - offset :][:length]
    want += b"!" + b"!" * 9
    data, out = np.frombuffer(packed, np.uint8), np.empty(len(want), np.uint8)
    assert module.unsnap(data, out)
    assert out.tobytes() == want
    for bad, size in ((packed[:-1], len(want)), (packed, len(want) - 1), (packed, len(want) + 1), (b"\x01\x04", 4)):
        assert not module.unsnap(np.frombuffer(bad, np.uint8), np.empty(size, np.uint8))
    assert not module.unsnap(np.frombuffer(b"\xfc\xff", np.uint8), np.empty(4, np.uint8))
    assert MOST >= 64
