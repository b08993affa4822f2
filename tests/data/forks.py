"""Fork a program again and again whose threads read a database; ends with status 1 if a child hangs or fails.

::

    python -m tests.data.forks DATABASE

A program of its own: where tests are measured, coverage's own locks may be shut at the moment of a fork.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from caffe_sdk.data.loader import Loader
from caffe_sdk.data.source import DatabaseSource
from caffe_sdk.data.transform import Transform
from caffe_sdk.schema.messages import TRAIN, TransformationParameter

FORKS, READERS, BATCH = 30, 3, 8


def loader(path: Path, prefetch: int = 3) -> Loader:
    transform = Transform(TransformationParameter(crop_size=5, mirror=True, scale=0.5), TRAIN, "")
    return Loader(DatabaseSource(path), transform, BATCH, prefetch)


def exit_status(child: int, seconds: float = 20) -> int:
    """The exit status of a child, which is ended if it hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def in_child(ours: Loader) -> None:
    """Go on reading where the parent is, and end the process."""
    want = ours.position + BATCH
    try:
        ours.next()
        ours.close()
        os._exit(0 if ours.position == want else 2)
    except BaseException:  # noqa: BLE001  it is shown, and ends the child
        traceback.print_exc()
    finally:
        os._exit(1)


def main(path: Path) -> None:
    """Fork while threads read."""
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with loader(path, prefetch=2) as one:
                for _ in range(5):
                    one.next()

    with loader(path) as first:
        first.next()  # Numba is imported: a fork in the midst of an import would hang too, but not because of us
    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        with loader(path) as ours:
            for _ in range(FORKS):
                child = os.fork()
                if child == 0:
                    in_child(ours)
                assert exit_status(child) == 0
                ours.next()
    finally:
        stop.set()
        for reader in readers:
            reader.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
