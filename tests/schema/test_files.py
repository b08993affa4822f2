"""Files: errors with the path in them, and writes that never leave half a file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from caffe_sdk.errors import CorruptFileError, FileError, MissingFileError, WriteError
from caffe_sdk.schema.files import FileBytes, atomic_write, read_bytes, read_text, sweep, write_bytes


def test_round_trip(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\x00\xff")
    assert read_bytes(tmp_path / "a") == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a"]


def test_missing_file_says_what_pycaffe_said(tmp_path: Path) -> None:
    for path in ("no/such.prototxt", tmp_path / "none", tmp_path / "none" / "deeper"):
        with pytest.raises(MissingFileError, match=f"^Could not open file {path}"):
            read_bytes(path)
    with pytest.raises(MissingFileError, match=f"counts from {os.getcwd()}"):
        read_bytes("no/such.prototxt")


def test_a_directory_and_a_bad_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"):
        read_bytes(tmp_path)
    with pytest.raises(FileError, match="null"):
        read_bytes("a\0b")
    with pytest.raises(WriteError, match="null"):
        write_bytes("a\0b", b"")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match="Permission denied"):
        read_bytes(tmp_path / "secret")


def test_text_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbfname: 'n'")
    assert read_text(tmp_path / "marked") == "name: 'n'"
    (tmp_path / "binary").write_bytes(b"net\x0a\xfe")
    with pytest.raises(CorruptFileError, match="byte 0xfe at offset 4 is not UTF-8"):
        read_text(tmp_path / "binary")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    target.write_bytes(b"old")

    def half_a_write(error: BaseException) -> None:
        with atomic_write(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(WriteError, match="weights: cannot be written: No space left"):
        half_a_write(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        half_a_write(KeyboardInterrupt())
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights"]


def test_a_full_disk(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with pytest.raises(WriteError, match="No space left"):
        write_bytes("/dev/full", b"x" * 100_000)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file or directory"):
        write_bytes(tmp_path / "none" / "a", b"")
    with pytest.raises(WriteError, match="directory"):
        write_bytes(tmp_path, b"")


def test_what_killed_processes_left_is_swept(tmp_path: Path, root: Path) -> None:
    killed = """
        import os, signal, sys
        from caffe_sdk.schema.files import atomic_write
        with atomic_write(sys.argv[1]) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    long = "n" * 240
    for name in ("net_iter_10", "network_iter_1", long):
        run = [sys.executable, "-c", textwrap.dedent(killed), tmp_path / name]
        subprocess.run(run, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    (tmp_path / ".net_iter_5.mine.part").write_text("")
    (tmp_path / "net_iter_1").write_text("")
    assert len(os.listdir(tmp_path)) == 5
    sweep(tmp_path, "net_iter_")
    assert len(os.listdir(tmp_path)) == 4
    assert not list(tmp_path.glob(".net_iter_10*"))
    sweep(tmp_path, long)
    sweep(tmp_path, "network")
    assert sorted(os.listdir(tmp_path)) == [".net_iter_5.mine.part", "net_iter_1"]
    sweep(tmp_path / "nowhere", "")


def test_permissions_are_ordinary_and_kept(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new").chmod(0o600)
    write_bytes(tmp_path / "new", b"again")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_links_are_followed_and_devices_stay(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_bytes(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"
    write_bytes("/dev/null", b"x")
    assert not Path("/dev/null").is_file()


# -- bytes of a file as they are asked for ---------------------------------------------------------------------


def test_bytes_of_a_file_are_those_of_the_file(tmp_path: Path) -> None:
    path, data = tmp_path / "file", bytes(range(256)) * 300
    path.write_bytes(data)
    with FileBytes(path) as read:
        assert len(read) == len(data)
        for at in (0, 5, 70_000, 3, len(data) - 1, 16_384, 16_383):
            assert read[at] == data[at]
        for part in (slice(0, 10), slice(100, 40_000), slice(76_000, 99_999), slice(7, 3), slice(None)):
            assert read[part] == data[part]
        buffer = bytearray(5000)
        for start in (60_000, 1, 1000):
            read.read_into(memoryview(buffer), start)
            assert buffer == data[start : start + 5000]


def test_a_pipe_gives_its_bytes_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"0123456789",))
    writer.start()
    with FileBytes(tmp_path / "pipe") as read:
        assert (len(read), read[3], read[4:8]) == (10, ord("3"), b"4567")
    writer.join()


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))
    with FileBytes(path) as read:
        os.truncate(path, 50_000)
        assert read[10] == 0
        with pytest.raises(CorruptFileError, match="shorter"):
            read[40_000:60_000]


@pytest.mark.parametrize(("name", "kind"), [("none", MissingFileError), ("", FileError), ("a\0b", FileError)])
def test_what_cannot_be_opened(tmp_path: Path, name: str, kind: type[FileError]) -> None:
    with pytest.raises(kind, match="Could not open file"):
        FileBytes(f"{tmp_path}/{name}")
