"""Training logs read back: what Caffe's solver (or this one) wrote to stderr, line by line, as numbers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from caffe_sdk.errors import DataError
from caffe_sdk.schema.files import PathLike, read_bytes

STAMP = re.compile(r"[IWEF](?P<year>\d{4})?(?P<month>\d\d)(?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d\.\d{1,6})\b")
NUMBER = r"([-+.\deEinfa]+)"  # inf and nan too
ITERATION = re.compile(r"Iteration (\d+)")
TESTING = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")
LOSS = re.compile(rf"Iteration \d+(?: \(.*\))?, loss = {NUMBER}")
RATE = re.compile(rf"lr = {NUMBER}")
OUTPUT = re.compile(rf"(Train|Test) net output #\d+: (\S+) = {NUMBER}(?: \(\* {NUMBER} = {NUMBER} loss\))?")


class Entry(NamedTuple):
    """One number of a log. ``kind`` is loss (the smoothed one), rate, train or test; the latter two have a name."""

    kind: str
    iteration: int
    seconds: float
    """Since training began; NaN where the line has no time."""
    value: float
    name: str = ""
    weighted: float | None = None
    """For an output that is a loss: its value times its weight."""
    net: int = 0
    """For kind test, which test net."""


def entries(path: PathLike) -> Iterator[Entry]:
    """The numbers of a log in order. Raises MissingFileError, FileError.

    Lines that say nothing of a training, as other programs write them in between, are passed over.
    """
    iteration, net, found = -1, 0, None
    for seconds, line in timed_lines(path):
        if found := ITERATION.search(line):
            iteration = int(found[1])
        if iteration < 0:
            continue
        if found := TESTING.search(line):
            net = int(found[2])
        elif found := OUTPUT.search(line):
            kind, weighted = found[1].lower(), _number(found[5]) if found[5] else None
            yield Entry(kind, iteration, seconds, _number(found[3]), found[2], weighted, net if kind == "test" else 0)
        elif found := LOSS.search(line):
            yield Entry("loss", iteration, seconds, _number(found[1]))
        elif found := RATE.search(line):
            yield Entry("rate", iteration, seconds, _number(found[1]))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def timed_lines(path: PathLike) -> Iterator[tuple[float, str]]:
    """The lines of a log with their seconds since the solver began (the line "Solving ...", or else the first one).

    glog leaves out the year: it is that of the file, and the next one where months begin anew.
    """
    lines = read_bytes(path).decode(errors="replace").splitlines()
    year = datetime.fromtimestamp(os.path.getmtime(path)).year
    times: list[datetime | None] = []
    last: datetime | None = None
    for line in lines:
        moment = _moment(line, year)
        if moment is not None and last is not None and moment.month < last.month:
            year += 1
            moment = _moment(line, year)
        last = moment or last
        times.append(moment)
    known = [i for i, moment in enumerate(times) if moment is not None]
    begin = next((times[i] for i in known if "Solving" in lines[i]), times[known[0]] if known else None)
    for line, moment in zip(lines, times, strict=True):
        yield (moment - begin).total_seconds() if moment and begin else math.nan, line


def _moment(line: str, year: int) -> datetime | None:
    found = STAMP.match(line)
    if found is None:
        return None
    text = f"{found['year'] or year}-{found['month']}-{found['day']} {found['time']}"
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")
    except ValueError:  # such as February 29 of the wrong year
        return None


# -- as the original tools give it -------------------------------------------------------------------------------------

Row = dict[str, float]
"""A row of parse_log's tables: NumIters, Seconds, LearningRate, and the outputs by name."""


def parse_log(path: PathLike) -> tuple[list[Row], list[Row]]:
    """A log as two tables, of the train net's outputs and of the test nets': a row per iteration (and test net).

    The rate of a row is the one last told, as in the original; before the first, the next one.
    Raises what `entries` does.
    """
    tables: dict[str, list[Row]] = {"train": [], "test": []}
    places: dict[str, tuple[int, int] | None] = {"train": None, "test": None}
    rate = math.nan
    for entry in entries(path):
        if entry.kind == "rate":
            rate = entry.value
        elif entry.kind in tables:
            table, place = tables[entry.kind], (entry.iteration, entry.net)
            if places[entry.kind] != place or entry.name in table[-1]:
                places[entry.kind] = place
                table.append({"NumIters": float(entry.iteration), "Seconds": entry.seconds, "LearningRate": rate})
            table[-1][entry.name] = entry.value
    for table in tables.values():
        if len(table) > 1 and math.isnan(table[0]["LearningRate"]):
            table[0]["LearningRate"] = table[1]["LearningRate"]
    return tables["train"], tables["test"]


def extract_seconds(path: PathLike) -> list[float]:
    """The seconds of every line that tells of an iteration. DataError where no line has a time."""
    seconds = [seconds for seconds, line in timed_lines(path) if "Iteration" in line]
    if not any(math.isfinite(each) for each in seconds):
        what = "no line of an iteration has a time"
        raise DataError(str(path), what, "give a log as Caffe writes it: lines like 'I1122 21:48:26.123456 ...'")
    return [each for each in seconds if math.isfinite(each)]
