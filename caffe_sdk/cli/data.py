"""``caffe data``: databases of the classic data sets, and what is in a database."""

from __future__ import annotations

import argparse
import os

from caffe_sdk.cli.bar import bar
from caffe_sdk.data import classics


def run(options: argparse.Namespace) -> int:
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
