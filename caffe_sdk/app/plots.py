"""Curves of trainings, from logs or metrics files, and pictures of them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffe_sdk.app import logs
from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, DeviceError, WriteError
from caffe_sdk.schema.files import PathLike, read_text

LOSS, RATE, SCORE = "loss", "learning rate", "score"
PANELS = (LOSS, SCORE, RATE)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito's: all can tell


@dataclass
class Curve:
    """Values over iterations and seconds. ``quantity`` is one of PANELS, ``name`` an output of a net or ''."""

    quantity: str
    phase: str
    name: str = ""
    net: int = 0
    iterations: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What a legend calls it."""
        if self.quantity == RATE:
            return RATE
        return f"{self.phase}{f' net #{self.net}' if self.net else ''} {self.name or self.quantity}"


Point = tuple[str, str, str, int, int, float, float]  # the four that make a curve, then iteration, seconds, value


def read_curves(path: PathLike) -> list[Curve]:
    """The curves of a training from its log, or from a ``.jsonl`` or ``.csv`` file of metrics.

    There are the train net's loss and rate; for each test net its loss, and every output that is no loss.
    Raises MissingFileError, FileError, CorruptFileError for metrics of another form, DataError where there is none.
    """
    end = os.path.splitext(path)[1].lower()
    points = _points_of_metrics(path, end) if end in (".jsonl", ".csv") else _points_of_log(path)
    found: dict[tuple[str, str, str, int], Curve] = {}
    for quantity, phase, name, net, iteration, seconds, value in points:
        curve = found.setdefault((quantity, phase, name, net), Curve(quantity, phase, name, net))
        curve.iterations.append(iteration)
        curve.seconds.append(seconds)
        curve.values.append(value)
    if not found:
        raise DataError(str(path), "tells of no training", "give a log of caffe train, or its --metrics file")
    return list(found.values())


def _points_of_log(path: PathLike) -> Iterator[Point]:
    losses: dict[tuple[int, int], tuple[float, float]] = {}  # of tests: seconds, sum of weighted losses
    for entry in logs.entries(path):
        place = (entry.iteration, entry.seconds)
        if entry.kind == "loss":
            yield (LOSS, "train", "", 0, *place, entry.value)
        elif entry.kind == "rate":
            yield (RATE, "train", "", 0, *place, entry.value)
        elif entry.kind == "test" and entry.weighted is None:
            yield (SCORE, "test", entry.name, entry.net, *place, entry.value)
        elif entry.kind == "test":
            test = (entry.iteration, entry.net)
            losses[test] = (entry.seconds, losses.get(test, (0, 0))[1] + (entry.weighted or 0))
    for (iteration, net), (seconds, loss) in losses.items():
        yield LOSS, "test", "", net, iteration, seconds, loss


def _points_of_metrics(path: PathLike, end: str) -> Iterator[Point]:
    begin = None
    try:
        for row in _metrics(read_text(path), end):
            moment, phase, net, iteration = (row.pop(key) for key in ("time", "phase", "net", "iteration"))
            begin = moment if begin is None else begin
            for name, value in row.items():
                quantity = _quantity(phase, name)
                if quantity and value is not None:
                    title = name if quantity == SCORE else ""
                    yield quantity, phase, title, int(net), int(iteration), float(moment) - float(begin), float(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is no file of metrics: {type(error).__name__}: {error}"
        raise CorruptFileError(str(path), what, "give a file that caffe train --metrics wrote") from None


def _metrics(text: str, end: str) -> Iterator[dict[str, Any]]:
    if end == ".jsonl":
        yield from map(json.loads, text.splitlines())
        return
    for row in csv.DictReader(io.StringIO(text)):
        yield {**{key: row[key] for key in ("time", "phase", "net", "iteration")}, row["name"]: row["value"]}


def _quantity(phase: str, name: str) -> str:
    """What a metric is shown as; '' for what is not shown."""
    if phase == "train":
        return {"smoothed_loss": LOSS, "lr": RATE}.get(name, "")
    return LOSS if name == LOSS else "" if "loss" in name else SCORE


# -- pictures ----------------------------------------------------------------------------------------------------------


def draw(paths: Sequence[PathLike], output: PathLike, over_seconds: bool = False) -> None:
    """Draw the curves of trainings, loss, scores and rate in panels, into a picture; its name says .png, .svg or .pdf.

    Raises what `read_curves` and `save` do, ArgumentError for no paths.
    """
    if not paths:
        raise ArgumentError("plot", "no log is given", "give one or more logs")
    trainings = {str(path): read_curves(path) for path in paths}
    panels = [panel for panel in PANELS if any(c.quantity == panel for curves in trainings.values() for c in curves)]
    figure = _figure(8, 1 + 2.6 * len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel, trainings, over_seconds)
    axes[-1].set_xlabel("seconds" if over_seconds else "iteration")
    save(figure, output)


def _draw_panel(axis: Any, panel: str, trainings: dict[str, list[Curve]], over_seconds: bool) -> None:
    """Colours tell trainings apart where there are several; else the train net (the first colour) and the tests."""
    several = len(trainings) > 1
    shown = [(i, path, c) for i, (path, curves) in enumerate(trainings.items()) for c in curves if c.quantity == panel]
    tests = 0
    for number, path, curve in shown:
        tests += curve.phase == "test"
        style: dict[str, Any] = {"color": COLOURS[(number if several else tests) % len(COLOURS)]}
        style["label"] = f"{_stem(path)}: {curve.label}" if several else curve.label
        if curve.phase == "test":
            style |= {"marker": "o", "markersize": 3.5, "linewidth": 1.6, "linestyle": "--" if several else "-"}
        else:
            style |= {"linewidth": 1.2, "alpha": 0.7 if panel == LOSS else 1}
        steps = "steps-post" if panel == RATE else "default"
        axis.plot(curve.seconds if over_seconds else curve.iterations, curve.values, drawstyle=steps, **style)
    axis.set_ylabel(panel)
    positive = [value for _, _, curve in shown for value in curve.values if value > 0]
    if panel != SCORE and positive and max(positive) > 30 * min(positive):
        axis.set_yscale("log")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    if several or panel != RATE:
        axis.legend(frameon=False, fontsize="small")


def draw_chart(
    curves: Iterable[tuple[str, Sequence[float], Sequence[float]]], titles: Sequence[str], output: PathLike
) -> None:
    """One chart of labelled curves (label, x, y); ``titles`` are those of the chart, of x and of y."""
    figure = _figure(8, 5)
    axis = figure.subplots()
    for index, (label, x, y) in enumerate(curves):
        axis.plot(x, y, label=label, color=COLOURS[index % len(COLOURS)], linewidth=1.2)
    axis.set_title(titles[0])
    axis.set_xlabel(titles[1])
    axis.set_ylabel(titles[2])
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    save(figure, output)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DeviceError("plot", "matplotlib is not installed", "pip install 'caffe-sdk[viz]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, output: PathLike) -> None:
    """Write a picture. ArgumentError for a kind of file that cannot be drawn, WriteError when it cannot be written."""
    kinds = figure.canvas.get_supported_filetypes()
    end = os.path.splitext(output)[1].lower().removeprefix(".")
    if end not in kinds:
        raise ArgumentError(str(output), "is no kind of picture", f"use one of .{', .'.join(sorted(kinds))}")
    try:
        figure.savefig(output, dpi=120)
    except OSError as error:
        raise WriteError(str(output), f"cannot be written: {error.strerror}", "choose another place") from None


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
