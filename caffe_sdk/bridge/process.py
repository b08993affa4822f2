"""The bridge process: lets one client in, answers its requests one after the other, and is gone when the client is.

The main thread computes. A reader thread takes frames in, so that a cancel frame is seen while training runs. A pulse
tells the client every second that the work goes on, so that to the client silence means trouble.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import queue
import shutil
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NamedTuple

from caffe_sdk.bridge import door, values
from caffe_sdk.bridge.exchange import ANSWER, Exchange
from caffe_sdk.bridge.frames import Flags, Frame, Kind, encode, read
from caffe_sdk.errors import BridgeError, CaffeError, InternalError, WriteError

Answer = Callable[[Any], Any]
"""Answers a request: the list of a command's name and its arguments."""
Log = Callable[[str], None]
"""Prints text at the client."""
Cancelled = Callable[[], bool]
"""Whether the request under way shall stop."""
MakeAnswer = Callable[[Log, Cancelled], Answer]

PULSE = 1.0  # seconds between signs of life
LAST_WORDS = 5.0  # seconds a computation has to stop when the client is gone


class Link(NamedTuple):
    """Bytes in and bytes out."""

    reader: BinaryIO
    writer: BinaryIO


class Conversation:
    """Requests in, answers out, until the client is gone."""

    def __init__(self, link: Link, folder: Path) -> None:
        self._link = link
        self._exchange = Exchange(folder)
        self._requests: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._asked = self._answered = 0  # requests; each is counted by one thread only
        self._running = 0  # sequence number of the request under way
        self._cancelled: set[int] = set()
        self._client_gone = False
        self._over = threading.Event()

    def run(self, make_answer: MakeAnswer) -> None:
        """Converse. Returns when the client is gone or sends what is no frame; training under way is cancelled then."""
        self._send(Frame(Kind.RESULT, 0))
        threading.Thread(target=self._read, name="bridge reader", daemon=True).start()
        threading.Thread(target=self._pulse, name="bridge pulse", daemon=True).start()
        try:
            answer = make_answer(self._log, self._is_cancelled)
            while (frame := self._requests.get()) is not None:
                self._running = frame.sequence
                self._reply(frame, answer)
                self._answered += 1
        finally:
            self._over.set()

    def _read(self) -> None:
        """Take frames in until there are no more."""
        try:
            while (frame := read(self._link.reader)) is not None:
                if frame.kind is Kind.REQUEST:
                    self._asked += 1
                    self._requests.put(frame)
                elif frame.kind is Kind.CANCEL:
                    self._cancelled.add(frame.sequence)
                else:
                    raise BridgeError("frame", f"a client does not send {frame.kind.name}", "send REQUEST or CANCEL")
        except BridgeError as error:
            self._send(_error_frame(0, error))
        except OSError:
            pass  # the connection broke
        self._client_gone = True
        self._requests.put(None)
        if not self._over.wait(LAST_WORDS):
            shutil.rmtree(self._exchange.folder, ignore_errors=True)
            os._exit(BridgeError.exit_status)

    def _pulse(self) -> None:
        while not self._over.wait(PULSE):
            if self._asked != self._answered:
                self._log("")

    def _reply(self, frame: Frame, answer: Answer) -> None:
        """Answer one request, whatever happens."""
        try:
            self._exchange.forget()
            pieces = self._exchange.read(f"q{frame.sequence}.mat") if frame.flags & Flags.IN_FILE else []
            reply = self._result(frame, answer(values.decode(frame.payload, pieces)))
        except CaffeError as error:
            reply = _error_frame(frame.sequence, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not take the user's nets with it
            traceback.print_exc()
            reply = _error_frame(frame.sequence, InternalError("bridge", f"{type(error).__name__}: {error}"))
        if not frame.flags & Flags.NO_REPLY:
            self._send(reply)

    def _result(self, frame: Frame, value: Any) -> Frame:
        if frame.flags & Flags.NO_REPLY:
            value = None
        payload, pieces = values.encode(value)
        if not pieces:
            return Frame(Kind.RESULT, frame.sequence, payload)
        self._exchange.write(ANSWER, pieces)
        return Frame(Kind.RESULT, frame.sequence, payload, Flags.IN_FILE)

    def _is_cancelled(self) -> bool:
        return self._client_gone or self._running in self._cancelled

    def _log(self, text: str) -> None:
        self._send(Frame(Kind.LOG, self._running, text.encode("utf-8", "replace")))

    def _send(self, frame: Frame) -> None:
        with self._writing, contextlib.suppress(OSError):  # that the client is gone is for the reader to see
            self._link.writer.write(encode(frame))
            self._link.writer.flush()


def _error_frame(sequence: int, error: CaffeError) -> Frame:
    return Frame(Kind.ERROR, sequence, f"{error.identifier}\n{error}".encode("utf-8", "replace"))


# ---------------------------------------------------------------------------------------------------- the process


def session_answer(log: Log, cancelled: Cancelled) -> Answer:
    """Answers from a session of this process."""
    from caffe_sdk.app.session import Session  # loaded while the client connects
    from caffe_sdk.bridge.dispatch import Dispatch

    return Dispatch(Session(), log, cancelled)


def main(arguments: Sequence[str] | None = None, make_answer: MakeAnswer = session_answer) -> int:
    """Run the bridge; gives the process's exit status."""
    parser = argparse.ArgumentParser("python -m caffe_sdk.bridge", description="Caffe for one MATLAB or Octave.")
    parser.add_argument("--dir", required=True, type=Path, help="folder for arrays and log; removed at the end")
    parser.add_argument("--pipe", action="store_true", help="talk on standard input and output, not on a local socket")
    parser.add_argument("--accept-timeout", type=float, default=30.0, help="seconds to wait for the client")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which then sends a cancel frame
    try:
        _own(options.dir)
        if options.pipe:
            Conversation(_pipe_link(), options.dir).run(make_answer)
            return 0
        connection = door.wait_for_client(options.dir / "ready", options.accept_timeout)
        if connection is None:
            return BridgeError.exit_status
        with connection:
            link = Link(connection.makefile("rb"), connection.makefile("wb"))
            Conversation(link, options.dir).run(make_answer)
        return 0
    except CaffeError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    finally:
        shutil.rmtree(options.dir, ignore_errors=True)


def _pipe_link() -> Link:
    """Standard input and output. What others print to standard output goes to standard error from here on."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Link(reader, writer)


def _own(folder: Path) -> None:
    """Make the folder, or make sure that it is the user's own, and close it to others."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            raise WriteError(str(folder), "is not a folder of this user", "name one that does not exist yet")
        folder.chmod(0o700)
    except OSError as error:
        raise WriteError(str(folder), str(error), "set CAFFE_BRIDGE_DIR to a folder that may be written") from error


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
