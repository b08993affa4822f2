"""Log lines as Caffe's glog writes them, so that the original log tools read them."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime

LETTERS = {logging.DEBUG: "D", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)  # GLOG_minloglevel counts these from 0


class GlogFormatter(logging.Formatter):
    """``I1122 21:48:26.123456  4242 solver.py:120] Iteration 0, lr = 0.01``."""

    def format(self, record: logging.LogRecord) -> str:
        letter = LETTERS.get(record.levelno, "I")
        time = datetime.fromtimestamp(record.created).strftime("%m%d %H:%M:%S.%f")
        return f"{letter}{time} {record.process:5d} {record.filename}:{record.lineno}] {record.getMessage()}"


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to today's sys.stderr, above a progress bar if one is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if "tqdm" in sys.modules and sys.stderr.isatty():
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


def start() -> None:
    """Write the package's log to stderr; ``GLOG_minloglevel`` (0 to 3) leaves out the lesser lines."""
    logger = logging.getLogger("caffe_sdk")
    least = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112 - glog's own spelling
    logger.setLevel(LEVELS[min(int(least), 3)] if least.isdigit() else logging.INFO)
    logger.propagate = False
    if not any(isinstance(handler, StderrHandler) for handler in logger.handlers):
        handler = StderrHandler()
        handler.setFormatter(GlogFormatter())
        logger.addHandler(handler)
