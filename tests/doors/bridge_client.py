"""A client of the bridge in Python: what +caffe does, and what hostile or broken clients do."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from caffe_sdk.bridge import exchange, values
from caffe_sdk.bridge.frames import Flags, Frame, Kind, encode, read

ROOT = Path(__file__).resolve().parents[2]
FAKE = [sys.executable, str(Path(__file__).with_name("fake_bridge.py"))]


class Answered(Exception):
    """The bridge answered with an error."""

    def __init__(self, text: str) -> None:
        self.identifier, _, self.words = text.partition("\n")
        super().__init__(text)


class Client:
    """A bridge process and the talk with it."""

    def __init__(self, folder: Path, *arguments: str, pipe: bool = False) -> None:
        self.folder = folder
        folder.parent.mkdir(exist_ok=True)
        self.errors = folder.with_suffix(".log")
        command = [*FAKE, "--dir", str(folder), *arguments, *(["--pipe"] if pipe else [])]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={"PYTHONPATH": str(ROOT)}
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.reader: BinaryIO = self.process.stdout  # type: ignore[assignment]
        self.writer: BinaryIO = self.process.stdin  # type: ignore[assignment]
        self.connection: socket.socket | None = None
        self.sequence = 0
        self.logs: list[str] = []
        if pipe:
            self.greeting()

    def ready(self) -> tuple[int, str]:
        """Port and token, when the process listens."""
        wait_for((self.folder / "ready").exists)
        port, token, pid = (self.folder / "ready").read_text().split()
        assert int(pid) == self.process.pid
        return int(port), token

    def connect(self) -> Client:
        port, token = self.ready()
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.reader = self.connection.makefile("rb")
        self.writer = self.connection.makefile("wb")
        self.write(Frame(Kind.HELLO, 0, token.encode()))
        self.greeting()
        return self

    def greeting(self) -> None:
        assert read(self.reader) == Frame(Kind.RESULT, 0)

    def write(self, frame: Frame) -> None:
        self.writer.write(encode(frame))
        self.writer.flush()

    def ask(self, *request: Any, flags: Flags = Flags.NONE, large: int = values.LARGE) -> int:
        """Send a request; gives its sequence number."""
        self.sequence += 1
        payload, pieces = values.encode(list(request), large)
        if pieces:
            exchange.Exchange(self.folder).write(f"q{self.sequence}.mat", pieces)
            flags |= Flags.IN_FILE
        self.write(Frame(Kind.REQUEST, self.sequence, payload, flags))
        return self.sequence

    def answer(self, sequence: int) -> Any:
        """The answer to a request, or Answered; log texts are kept in ``logs``."""
        while True:
            frame = read(self.reader)
            assert frame is not None, "the bridge hung up"
            if frame.kind is Kind.LOG:
                self.logs.append(frame.payload.decode())
                continue
            assert frame.sequence == sequence
            if frame.kind is Kind.ERROR:
                raise Answered(frame.payload.decode())
            in_file = frame.flags & Flags.IN_FILE
            pieces = exchange.Exchange(self.folder).read(exchange.ANSWER) if in_file else []
            return values.decode(frame.payload, pieces)

    def call(self, *request: Any, large: int = values.LARGE) -> Any:
        return self.answer(self.ask(*request, large=large))

    def hang_up(self) -> None:
        self.writer.close()
        self.reader.close()
        if self.connection:
            self.connection.close()

    def ended(self, timeout: float = 10) -> int:
        """The exit status, when the process has ended."""
        return self.process.wait(timeout)

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        self.process.kill()
        self.process.wait()
        for stream in (self.writer, self.reader, self.process.stdin, self.process.stdout, self.connection):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not flushed to a dead process
                    stream.close()


def wait_for(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)
