"""``caffe data``: databases of the classic data sets, and what is in a database."""

from __future__ import annotations

import argparse
import os

from caffe_sdk.cli.bar import bar
from caffe_sdk.data import classics, inspection, sheet
from caffe_sdk.errors import DataError


def run(options: argparse.Namespace) -> int:
    """Make a data set, or look at a database."""
    return _inspect(options) if options.set == "inspect" else _make(options)


def _make(options: argparse.Namespace) -> int:
    """Make a data set's two databases and say where they are. What is downloaded stays beside them."""
    progress = bar()
    folder = options.folder
    if options.download:
        folder = os.path.join(options.to, f"{options.set}_files")
        classics.fetch(options.set, folder, progress)
    for path in classics.convert(
        options.set, folder, options.to, options.backend, overwrite=options.overwrite, progress=progress
    ):
        print(path)
    return 0


def _inspect(options: argparse.Namespace) -> int:
    """Print what is in a database and draw a sample; the status is 6, that of data errors, where records are bad."""
    sample = options.images if options.sheet else 0
    found = inspection.inspect(options.db, options.backend, sample=sample, limit=options.records, progress=bar())
    for line in found.lines():
        print(line)
    if options.sheet:
        sheet.write_sheet(options.sheet, found.sample, options.rgb)
        print(f"sheet      {options.sheet}")
    return DataError.exit_status if found.bad else 0
