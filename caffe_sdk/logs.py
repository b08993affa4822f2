"""Log lines as Caffe's glog writes them, so that the original log tools read them."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime

from caffe_sdk.errors import ArgumentError

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


def init_log(level: int | None = None, std_err: bool = True) -> None:
    """Write the package's log to stderr, the lines of ``level`` (0 INFO to 3 FATAL) and above.

    Without a level that of the environment variable ``GLOG_minloglevel`` counts, 0 by default. With ``std_err`` False
    only errors are written. Raises ArgumentError for another level.
    """
    if level is None:
        words = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112 - glog's own spelling
        level = min(int(words), 3) if words.isdigit() else 0
    if level not in range(4):
        raise ArgumentError("init_log", f"there is no level {level!r}", "give 0 INFO, 1 WARNING, 2 ERROR or 3 FATAL")
    logger = logging.getLogger("caffe_sdk")
    logger.setLevel(LEVELS[level])
    logger.propagate = False
    if not _handlers(logger):
        handler = StderrHandler()
        handler.setFormatter(GlogFormatter())
        logger.addHandler(handler)
    for handler in _handlers(logger):
        handler.setLevel(logging.NOTSET if std_err else logging.ERROR)


def log(message: str) -> None:
    """Write a line of level INFO to the package's log, which begins if it has not."""
    logger = logging.getLogger("caffe_sdk")
    if not _handlers(logger):
        init_log()
    logger.info("%s", message, stacklevel=2)


def _handlers(logger: logging.Logger) -> list[StderrHandler]:
    return [handler for handler in logger.handlers if isinstance(handler, StderrHandler)]
