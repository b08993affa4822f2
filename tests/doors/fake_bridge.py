"""A bridge process that answers from a table for tests: run like ``python -m caffe_sdk.bridge``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from caffe_sdk.bridge import process
from caffe_sdk.errors import CancelledError, MissingFileError


def make_answer(log: process.Log, cancelled: process.Cancelled) -> process.Answer:
    def answer(request: Any) -> Any:
        match request:
            case ["echo", value]:
                return value
            case ["zeros", count]:
                return np.zeros(int(count.item()), np.float32)
            case ["say", text]:
                log(text)
            case ["work", seconds]:
                until = time.monotonic() + float(seconds.item())
                while time.monotonic() < until:
                    time.sleep(0.02)
                    if cancelled():
                        raise CancelledError("work", "was stopped")
            case ["stubborn", seconds]:
                time.sleep(float(seconds.item()))
            case ["missing", path]:
                raise MissingFileError("", f"Could not open file {path}: it does not exist", "check the path")
            case ["touch", path]:
                Path(path).write_text("")
            case ["print", text]:
                print(text, flush=True)
            case ["die"]:
                os._exit(3)
            case _:
                raise ValueError(f"no such command: {request}")

    return answer


if __name__ == "__main__":
    sys.exit(process.main(make_answer=make_answer))
