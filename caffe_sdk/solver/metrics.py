"""What a training measures, for programs to read: JSON lines, CSV, or events for TensorBoard.

Recorders are called with every event. They note what is displayed (each iteration where ``display`` is 0) and the
result of each test. A file that is there is added to, so a training that goes on goes on in its file.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from caffe_sdk.errors import ArgumentError, DeviceError, WriteError
from caffe_sdk.schema.files import PathLike
from caffe_sdk.solver.events import Event, Iteration, Output, Tested

log = logging.getLogger(__name__)

COLUMNS = ("time", "phase", "net", "iteration", "name", "value")


@dataclass(frozen=True)
class Measurement:
    """Numbers of one moment. ``net`` is the test net's number in phase test, and 0 in phase train."""

    phase: str
    net: int
    iteration: int
    values: dict[str, float]


def measure(event: Event, every: bool = False) -> Measurement | None:
    """What an event has to tell; None for most. ``every`` iteration tells, not only displayed ones.

    In both phases there are the net's outputs by name and ``loss``, which is the whole net's; in phase train also
    smoothed_loss, lr and seconds. Of an output of several numbers each has its index: ``name[0]``.
    """
    outputs = _named(event.outputs) if isinstance(event, (Iteration, Tested)) else {}
    if isinstance(event, Iteration) and (event.displayed or every):
        values = {"loss": event.loss, "smoothed_loss": event.smoothed_loss, "lr": event.rate, "seconds": event.seconds}
        return Measurement("train", 0, event.iteration, {**outputs, **values})
    if isinstance(event, Tested) and not event.interrupted:
        loss = event.loss if event.loss is not None else sum(o.loss_weight * o.value for o in event.outputs)
        return Measurement("test", event.net_index, event.iteration, {**outputs, "loss": loss})
    return None


def _named(outputs: Sequence[Output]) -> dict[str, float]:
    sizes, seen = Counter(o.name for o in outputs), Counter[str]()
    values = {}
    for output in outputs:
        several = sizes[output.name] > 1
        values[f"{output.name}[{seen[output.name]}]" if several else output.name] = output.value
        seen[output.name] += 1
    return values


class Recorder(Protocol):
    """Takes events and keeps what they measure."""

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def close(self) -> None:
        """Finish; closing again does nothing."""
        ...


def record(path: PathLike, every: bool = False) -> Recorder:
    """A recorder for a file, by its name: ``.jsonl`` or ``.csv``. See `measure` for ``every``.

    JSON lines: an object per moment, ``{"time": ..., "phase": "train", "net": 0, "iteration": 100, "loss": ...}``.
    CSV: a row per number, with the columns time, phase, net, iteration, name, value. Times are seconds since 1970.
    Raises ArgumentError for other names, WriteError when the file cannot be opened.
    """
    kinds = {".jsonl": _json_line, ".csv": _csv_rows}
    end = os.path.splitext(path)[1].lower()
    if end not in kinds:
        raise ArgumentError(str(path), "is no kind of file for metrics", "give a name that ends in .jsonl or .csv")
    return _File(path, kinds[end], every)


class _File:
    """A text file that grows. When it cannot, the log says so and the training goes on without it."""

    def __init__(self, path: PathLike, form: Any, every: bool) -> None:
        self._path, self._form, self._every = path, form, every
        try:
            self._file = open(path, "a", encoding="utf-8", newline="")  # noqa: SIM115 - `close` closes it
            if form is _csv_rows and self._file.tell() == 0:
                self._write(_rows([COLUMNS]))
        except (OSError, ValueError) as error:
            raise WriteError(str(path), f"cannot be written: {error}", "choose a folder that may be written") from None

    def __call__(self, event: Event) -> None:
        found = measure(event, self._every)
        if found is None or self._file.closed:
            return
        try:
            self._write(self._form(found, round(time.time(), 3)))
        except OSError as error:
            log.warning("%s cannot be written any more: %s; the training goes on without it", self._path, error)
            self.close()

    def _write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written was told before
            self._file.close()


def _json_line(found: Measurement, now: float) -> str:
    values = {name: value if math.isfinite(value) else None for name, value in found.values.items()}
    place = {"time": now, "phase": found.phase, "net": found.net, "iteration": found.iteration}
    return json.dumps({**place, **values}) + "\n"


def _csv_rows(found: Measurement, now: float) -> str:
    place = (now, found.phase, found.net, found.iteration)
    return _rows([(*place, name, value) for name, value in found.values.items()])


def _rows(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


class TensorBoard:
    """Writes event files into a folder, for TensorBoard: ``train/loss``, ``test/accuracy``, ``test1/...``.

    Raises DeviceError where tensorboardX is not installed, WriteError when the folder cannot be written.
    """

    def __init__(self, folder: PathLike, every: bool = False) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            what = "tensorboardX is not installed"
            raise DeviceError("tensorboard", what, "pip install 'caffe-sdk[viz]'") from None
        self._every = every
        try:
            self._writer = SummaryWriter(os.fspath(folder))
        except OSError as error:
            raise WriteError(
                str(folder), f"cannot be written: {error}", "choose a folder that may be written"
            ) from None

    def __call__(self, event: Event) -> None:
        found = measure(event, self._every)
        if found is not None:
            group = f"{found.phase}{found.net or ''}"
            for name, value in found.values.items():
                self._writer.add_scalar(f"{group}/{name}", value, found.iteration)

    def close(self) -> None:
        """Finish; closing again does nothing."""
        self._writer.close()
