"""Downloading from a server of our own that can break off, refuse, and send the wrong file."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from caffe_sdk.data import download
from caffe_sdk.data.download import checksum, fetch
from caffe_sdk.errors import FileError, WriteError

CONTENT = bytes(range(256)) * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Counts what it is asked for; ``breaks`` says after how many bytes the next answers end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.breaks: list[int] = []
        self.errors: list[int] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.server.errors:
            self.send_error(self.server.errors.pop(0))
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/wrong": b"something else", "/packed": gzip.compress(CONTENT, mtime=0)}.get(self.path, CONTENT)
        start = int(wanted[len("bytes=") : -1]) if wanted and self.path != "/stubborn" else 0
        if start > len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.breaks.pop(0)] if self.server.breaks else body[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_whole_file(server: Server, tmp_path: Path) -> None:
    seen = []
    path = tmp_path / "new" / "file"
    fetch([server.url("file")], path, SHA, lambda *state: seen.append(state))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (server.url("file"), len(CONTENT), len(CONTENT))
    assert list(path.parent.iterdir()) == [path]
    fetch([server.url("file")], path, SHA)
    assert len(server.asked) == 1


def test_checksum_is_that_of_the_content(server: Server, tmp_path: Path) -> None:
    fetch([server.url("packed")], tmp_path / "file.gz", SHA)
    assert gzip.decompress((tmp_path / "file.gz").read_bytes()) == CONTENT
    assert checksum(tmp_path / "file.gz") == SHA
    assert checksum(tmp_path / "nothing") == ""


def test_checksum_of_an_archive_as_it_is(server: Server, tmp_path: Path) -> None:
    packed = hashlib.sha256(gzip.compress(CONTENT, mtime=0)).hexdigest()
    fetch([server.url("packed")], tmp_path / "file.gz", packed, packed=True)
    assert checksum(tmp_path / "file.gz", packed=True) == packed
    fetch([server.url("packed")], tmp_path / "file.gz", packed, packed=True)
    assert len(server.asked) == 1
    with pytest.raises(FileError, match="the checksum is wrong"):
        fetch([server.url("packed")], tmp_path / "other.gz", SHA, packed=True)


def test_goes_on_after_a_break(server: Server, tmp_path: Path) -> None:
    server.breaks = [1000, 500]
    fetch([server.url("file")], tmp_path / "file", SHA)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [range_ for _, range_ in server.asked] == [None, "bytes=1000-", "bytes=1500-"]


def test_goes_on_in_another_process_and_from_another_mirror(server: Server, tmp_path: Path) -> None:
    server.breaks = [100, 100, 100]
    with pytest.raises(FileError, match=r"the connection ended after 300 of 256000 bytes"):
        fetch([server.url("one")], tmp_path / "file", SHA)
    assert not (tmp_path / "file").exists()
    fetch([server.url("missing"), server.url("two")], tmp_path / "file", SHA)
    assert server.asked[-2:] == [("/missing", "bytes=300-"), ("/two", "bytes=300-")]


def test_server_that_knows_no_ranges(server: Server, tmp_path: Path) -> None:
    server.breaks = [1000]
    fetch([server.url("stubborn")], tmp_path / "file", SHA)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_more_than_there_is(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(bytes(300_000))
    fetch([server.url("file")], tmp_path / "file", SHA)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_wrong_file_then_the_right_one(server: Server, tmp_path: Path) -> None:
    fetch([server.url("wrong"), server.url("file")], tmp_path / "file", SHA)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.errors = [503, 500]
    fetch([server.url("file")], tmp_path / "file", SHA)
    assert len(server.asked) == 3


def test_all_reasons_are_given(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        fetch(
            [server.url("missing"), server.url("wrong"), "http://127.0.0.1:1/refused", "nonsense"],
            tmp_path / "file",
            SHA,
        )
    for words in ("missing: 404", "wrong: the checksum is wrong", "refused", "nonsense: unknown url type"):
        assert words in str(caught.value)
    assert not (tmp_path / "file").exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be made"):
        fetch([], tmp_path / "file" / "folder" / "x", SHA)
