"""Asking a training for a snapshot or the end through a file: where no signal reaches it, as on another computer."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from caffe_sdk.errors import ArgumentError, FileError
from caffe_sdk.schema.files import read_text
from caffe_sdk.solver import Event, Iteration, Solver

log = logging.getLogger(__name__)


class Control:
    """Looks after each iteration whether a file has come: what it says, snapshot or stop, is done, and it is removed.

    A file that says anything else is left alone. ArgumentError when there is one at the beginning: it was not meant for
    this training.
    """

    def __init__(self, path: str, solver: Solver) -> None:
        if os.path.exists(path):
            raise ArgumentError("control", f"the file {path} is there already", "remove it, or name another")
        self._path = path
        self._actions: dict[str, Callable[[], None]] = {
            "snapshot": solver.request_snapshot,
            "stop": solver.request_stop,
        }
        self._refused = ""

    def __call__(self, event: Event) -> None:
        """Look, if an iteration is over."""
        if not isinstance(event, Iteration) or not os.path.exists(self._path):
            return
        try:
            word = read_text(self._path).strip()
            if word in self._actions:
                os.unlink(self._path)
        except (FileError, OSError) as error:
            word = f"cannot be read and removed: {error}"
        if word in self._actions:
            self._actions[word]()
        elif word not in ("", self._refused):  # nothing: somebody is writing
            log.warning("%s: '%s' is left alone; say snapshot or stop", self._path, word)
            self._refused = word
