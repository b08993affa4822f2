"""LevelDB and LMDB behind one interface: order, positions, sharing, safety of what is there, and clear errors."""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lmdb
import pytest

from caffe_sdk.data import database, leveldb
from caffe_sdk.data import lmdb as lmdb_module
from caffe_sdk.data.database import Walk
from caffe_sdk.data.databases import create_database, find_backend, open_database
from caffe_sdk.errors import (
    ArgumentError,
    CorruptFileError,
    FileError,
    HandleError,
    MissingFileError,
    WriteError,
)

BACKENDS = ["LEVELDB", "LMDB"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """At the end no handle or descriptor is left."""
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield
    gc.collect()
    assert not database._shared.handles
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors


def items(count: int, size: int = 8) -> list[tuple[bytes, bytes]]:
    return [(b"%08d" % i, bytes([i % 251]) * size) for i in range(count)]


def make(path: Path, backend: str, count: int = 10, size: int = 8) -> Path:
    with create_database(path, backend) as writer:
        for key, value in items(count, size):
            writer.put(key, value)
    return path


def files(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, date and number of links of every file."""
    found = {p.name: p for p in folder.iterdir()}
    return {name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_nlink) for name, p in found.items()}


def test_what_is_written_is_read_in_the_order_of_the_keys(tmp_path: Path, backend: str) -> None:
    with create_database(tmp_path / "db", backend) as writer:
        for key, value in reversed(items(100)):
            writer.put(key, value)
    assert find_backend(tmp_path / "db") == backend
    with open_database(tmp_path / "db", backend) as db:
        assert len(db) == 100
        assert list(db.items()) == items(100)
        assert list(db.items(97)) == items(100)[97:]
        assert list(db.keys(98)) == [b"00000098", b"00000099"]
        assert list(db.items(100)) == []


@pytest.mark.parametrize("name", [0, "leveldb", None])
def test_backend_by_number_by_name_or_found_out(tmp_path: Path, name: int | str | None) -> None:
    with open_database(make(tmp_path / "db", "LevelDB"), name) as db:
        assert db.backend == "LEVELDB"


def test_walk_goes_back_and_forth(tmp_path: Path, backend: str) -> None:
    count = 3 * database.STRIDE + 10
    with open_database(make(tmp_path / "db", backend, count)) as db, Walk(db) as walk:
        for place in (5, 0, 2500, 2499, count - 1, 1024, 1023, 3000, 3000):
            assert walk.seek(place)
            assert (walk.index, walk.key()) == (place, b"%08d" % place)
        assert not walk.seek(count + 5)
        assert walk.index == count
        assert not walk.step()
        assert walk.seek(1)
        assert walk.step()
        assert walk.key() == b"00000002"


def test_reading_changes_nothing(tmp_path: Path, backend: str) -> None:
    """Nor needs it leave to: a LevelDB opened where it lies would get a new manifest and log."""
    path = make(tmp_path / "db", backend)
    before = files(path)
    with open_database(path) as db:
        assert list(db.items()) == items(10)
    assert files(path) == before


def test_unflushed_log_is_read(tmp_path: Path) -> None:
    """A LevelDB whose writer did not reopen it keeps its last records in a log, not in a table."""
    import plyvel

    db = plyvel.DB(str(tmp_path / "db"), create_if_missing=True)
    for key, value in items(5):
        db.put(key, value)
    before = files(tmp_path / "db")
    with open_database(tmp_path / "db") as ours:  # while the other one still holds its lock
        assert list(ours.items()) == items(5)
    assert files(tmp_path / "db") == before
    db.close()


def test_golden_databases(shared: Path, tmp_path: Path) -> None:
    """Written by BVLC Caffe; the same images in both backends."""
    for name in ("leveldb_raw", "lmdb_raw"):
        shutil.copytree(shared / "golden/interop" / name, tmp_path / name)
    with open_database(tmp_path / "leveldb_raw") as one, open_database(tmp_path / "lmdb_raw") as other:
        assert len(one) == len(other) == 12
        assert list(one.items()) == list(other.items())
        assert next(one.keys(3)) == b"00000003_im03.jpg"


def test_one_handle_for_all_who_read(tmp_path: Path, backend: str) -> None:
    path = make(tmp_path / "db", backend)
    train = open_database(path)
    test = open_database(tmp_path / "." / "db")
    assert train.handle is test.handle
    ours, theirs = train.items(), test.items()
    assert [next(ours), next(theirs), next(ours)] == [items(2)[0], items(2)[0], items(2)[1]]
    train.close()
    train.close()
    with pytest.raises(HandleError, match="closed"):
        len(train)
    with pytest.raises(HandleError, match="closed"):
        next(ours)
    assert next(theirs) == items(2)[1]
    test.close()


def test_sharing_from_many_threads(tmp_path: Path, backend: str) -> None:
    path = make(tmp_path / "db", backend, 50)
    wrong: list[object] = []

    def read() -> None:
        for _ in range(10):
            with open_database(path) as db:
                if list(db.items()) != items(50):
                    wrong.append("other records")

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_forgotten_database_is_given_back(tmp_path: Path, backend: str) -> None:
    db = open_database(make(tmp_path / "db", backend))
    assert len(db) == 10
    del db


def test_many_openings(tmp_path: Path, backend: str) -> None:
    """The fixture counts what is left afterwards."""
    path = make(tmp_path / "db", backend)
    for _ in range(50):
        with open_database(path) as db:
            assert next(db.keys()) == b"00000000"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_reads_on(tmp_path: Path, backend: str) -> None:
    with open_database(make(tmp_path / "db", backend)) as db, Walk(db) as walk:
        assert walk.seek(3)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                good = walk.step() and walk.key() == b"00000004" and walk.step() and walk.key() == b"00000005"
                status = 0 if good and list(db.items()) == items(10) else 2
                walk.close()
                db.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert walk.step()
        assert list(db.items()) == items(10)


def test_missing(tmp_path: Path) -> None:
    for name in ("nothing", "a/b"):
        with pytest.raises(MissingFileError, match="no such database"):
            open_database(tmp_path / name, "LEVELDB")
    with pytest.raises(MissingFileError, match=r"neither a LevelDB .* nor an LMDB"):
        open_database(tmp_path)


def test_the_other_backend(tmp_path: Path) -> None:
    lmdb, level = make(tmp_path / "lmdb", "LMDB"), make(tmp_path / "level", "LEVELDB")
    with pytest.raises(MissingFileError, match="is an LMDB, not a LevelDB; set backend: LMDB"):
        open_database(lmdb, "LEVELDB")
    with pytest.raises(MissingFileError, match="is a LevelDB, not an LMDB; set backend: LEVELDB"):
        open_database(level, "LMDB")
    with pytest.raises(ArgumentError, match="backend 'sqlite' is unknown"):
        open_database(level, "sqlite")


def big(tmp_path: Path, backend: str) -> Path:
    return make(tmp_path / "db", backend, 200, 100_000)


def test_damaged_leveldb(tmp_path: Path) -> None:
    path = big(tmp_path, "LEVELDB")
    tables = sorted(path.glob("*.ldb"))
    content = tables[0].read_bytes()
    tables[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptFileError, match=r"db: table \d+.ldb has \d+ bytes of \d+"):
        open_database(path)
    tables[0].unlink()
    with pytest.raises(CorruptFileError, match="missing files"):
        open_database(path)
    (path / "CURRENT").write_bytes(b"")
    with pytest.raises(CorruptFileError):
        open_database(path)


def test_leveldb_replaced_while_read(tmp_path: Path) -> None:
    """Reading goes wrong in words: the records of the new database are never taken for those of the old one."""
    path = make(tmp_path / "db", "LEVELDB")
    with open_database(path) as db:
        with create_database(path, "LEVELDB", overwrite=True) as writer:
            writer.put(b"new", b"new")
        with pytest.raises(CorruptFileError, match="has been replaced"):
            list(db.items())
        with open_database(path) as new:
            assert list(new.items()) == [(b"new", b"new")]


def test_damaged_lmdb(tmp_path: Path) -> None:
    path = big(tmp_path, "LMDB")
    content = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptFileError, match="cut short"):
        open_database(path)
    (path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(CorruptFileError, match="LMDB cannot open it"):
        open_database(path)
    (path / "data.mdb").write_bytes(b"")
    with pytest.raises(CorruptFileError):
        open_database(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not cut a file that is mapped into memory")
def test_an_lmdb_cut_while_it_is_read(tmp_path: Path) -> None:
    path = big(tmp_path, "LMDB")
    with open_database(path) as db, Walk(db) as walk:
        records = db.items()
        next(records)
        assert walk.seek(3)
        size = (path / "data.mdb").stat().st_size
        os.truncate(path / "data.mdb", 3 * 4096)
        for read in (partial(next, records), walk.value, walk.step, lambda: list(db.items()), lambda: len(db)):
            with pytest.raises(CorruptFileError, match=rf"data\.mdb: has 12288 bytes of {size}; .* cut short"):
                read()
    with pytest.raises(CorruptFileError, match="cut short"):
        open_database(path)


def test_a_file_that_is_no_lmdb(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    with pytest.raises(CorruptFileError):
        open_database(tmp_path / "file", "LMDB")


def test_an_lmdb_that_somebody_else_has_open_here(tmp_path: Path) -> None:
    path = make(tmp_path / "db", "LMDB")
    with lmdb.open(str(path), readonly=True, lock=False), pytest.raises(FileError, match="close it there first"):
        open_database(path)


def test_lmdb_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_module, "FIRST_MAP", 64 << 10)
    with open_database(make(tmp_path / "db", "LMDB", 500, 5000)) as db:
        assert list(db.items()) == items(500, 5000)


def test_never_half_made(tmp_path: Path, backend: str) -> None:
    writer = create_database(tmp_path / "db", backend)
    writer.put(b"k", b"v")
    assert not (tmp_path / "db").exists()
    writer.close()
    writer.close()
    with open_database(tmp_path / "db") as db:
        assert list(db.items()) == [(b"k", b"v")]
    assert sorted(os.listdir(tmp_path)) == ["db"]


def test_an_error_leaves_what_was_there(tmp_path: Path, backend: str) -> None:
    path = make(tmp_path / "db", backend)

    def fail() -> None:
        with create_database(path, backend, overwrite=True) as writer:
            writer.put(b"k", b"v")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with open_database(path) as db:
        assert list(db.items()) == items(10)
    assert sorted(os.listdir(tmp_path)) == ["db"]


def test_overwriting_must_be_asked_for(tmp_path: Path, backend: str) -> None:
    path = make(tmp_path / "db", backend)
    with pytest.raises(WriteError, match="exists already"):
        create_database(path, backend)
    with create_database(path, backend, overwrite=True) as writer:
        writer.put(b"k", b"v")
    with open_database(path) as db:
        assert list(db.items()) == [(b"k", b"v")]
    assert sorted(os.listdir(tmp_path)) == ["db"]


def test_where_nothing_can_be_written(tmp_path: Path, backend: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be made"):
        create_database(tmp_path / "file" / "db", backend)


def test_a_table_vanishing_while_opening_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's LevelDB may rearrange its tables between our reading of the manifest and looking for them."""
    path = make(tmp_path / "db", "LEVELDB")
    table = next(path.glob("*.ldb"))
    shutil.move(table, tmp_path / "aside")
    monkeypatch.setattr(leveldb.time, "sleep", lambda seconds: shutil.move(tmp_path / "aside", table))
    with open_database(path) as db:
        assert list(db.items()) == items(10)
