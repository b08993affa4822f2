"""Caffe's tools for logs and nets under their own names: parse_log, extract_seconds, plot_training_log, summarize."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Sequence

from caffe_sdk.app import logs, plots
from caffe_sdk.app.outline import outline
from caffe_sdk.cli.main import guarded
from caffe_sdk.errors import ArgumentError, DataError
from caffe_sdk.schema.files import write_bytes

CHARTS = (
    ("Test accuracy", "Iters"),
    ("Test accuracy", "Seconds"),
    ("Test loss", "Iters"),
    ("Test loss", "Seconds"),
    ("Train learning rate", "Iters"),
    ("Train learning rate", "Seconds"),
    ("Train loss", "Iters"),
    ("Train loss", "Seconds"),
)
"""What plot_training_log draws, by number: y and x."""
QUANTITIES = {"accuracy": plots.SCORE, "loss": plots.LOSS, "learning rate": plots.RATE}


# -- parse_log -------------------------------------------------------------------------------------------------------


def parse_log() -> int:
    """``parse_log LOG DIR``: the net outputs of a training as two tables, DIR/LOG.train and DIR/LOG.test."""
    parser = argparse.ArgumentParser("parse_log", description="Parse a training log into two CSV files")
    parser.add_argument("logfile_path", help="path to the log file")
    parser.add_argument("output_dir", help="directory in which to place the CSV files")
    parser.add_argument("--verbose", action="store_true", help="print what is done")
    parser.add_argument("--delimiter", default=",", help="column delimiter (default: %(default)r)")
    options = parser.parse_args()
    return guarded("parse_log", lambda: _write_tables(options))


def _write_tables(options: argparse.Namespace) -> int:
    if len(options.delimiter) != 1:
        raise ArgumentError("--delimiter", f"{options.delimiter!r} is not one character", "give one, such as ';'")
    base = os.path.join(options.output_dir, os.path.basename(options.logfile_path))
    for rows, path in zip(logs.parse_log(options.logfile_path), (f"{base}.train", f"{base}.test"), strict=True):
        if rows:
            write_bytes(path, _table(rows, options.delimiter).encode())
        if options.verbose:
            print(f"Wrote {path}" if rows else f"Not writing {path}; no lines to write")
    return 0


def _table(rows: Sequence[logs.Row], delimiter: str) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# -- extract_seconds -------------------------------------------------------------------------------------------------


def extract_seconds() -> int:
    """``extract_seconds LOG OUT``: the seconds since the solver began of every line that tells of an iteration."""
    if len(sys.argv) < 3:
        print("Usage: extract_seconds input_file output_file")
        return 1
    return guarded("extract_seconds", lambda: _write_seconds(sys.argv[1], sys.argv[2]))


def _write_seconds(log: str, output: str) -> int:
    write_bytes(output, "".join(f"{seconds:f}\n" for seconds in logs.extract_seconds(log)).encode())
    return 0


# -- plot_training_log -----------------------------------------------------------------------------------------------


def plot_training_log() -> int:
    """``plot_training_log TYPE PICTURE LOG...``: one chart of one or more logs."""
    numbers = [str(number) for number in range(len(CHARTS))]
    if len(sys.argv) < 4 or sys.argv[1] not in numbers:
        types = "\n".join(f"    {number}: {y} vs. {x}" for number, (y, x) in enumerate(CHARTS))
        usage = f"Usage:\n    plot_training_log chart_type[0-{numbers[-1]}] /where/to/save.png /path/to/first.log ..."
        print(f"{usage}\nSupported chart types:\n{types}")
        return 1
    return guarded("plot_training_log", lambda: _draw_chart(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))


def _draw_chart(chart: int, output: str, paths: Sequence[str]) -> int:
    y, x = CHARTS[chart]
    phase, quantity = y.lower().split(" ", 1)
    curves = []
    for path in paths:
        for curve in plots.read_curves(path):
            if (curve.phase, curve.quantity) == (phase, QUANTITIES[quantity]):
                over = curve.iterations if x == "Iters" else curve.seconds
                curves.append((f"{os.path.basename(path)} {curve.name}".rstrip(), over, curve.values))
    if not curves:
        raise DataError(", ".join(paths), f"tell nothing of {y.lower()}", "choose another chart, or other logs")
    plots.draw_chart(curves, (f"{y} vs. {x}", x, y), output)
    return 0


# -- summarize -------------------------------------------------------------------------------------------------------


def summarize() -> int:
    """``summarize [-w WIDTH] NET``: a net in a line per layer."""
    parser = argparse.ArgumentParser("summarize", description="Print a concise summary of net computation.")
    parser.add_argument("filename", help="net prototxt file to summarize")
    parser.add_argument("-w", "--max-width", type=int, default=30, help="maximum field width (default: %(default)s)")
    options = parser.parse_args()
    return guarded("summarize", lambda: print(outline(options.filename, options.max_width)) or 0)
