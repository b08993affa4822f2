"""``caffe plot``: draw the curves of trainings."""

from __future__ import annotations

import argparse
from pathlib import Path

from caffe_sdk.app.plots import draw


def run(options: argparse.Namespace) -> int:
    """Draw loss, scores and rate of one or more logs into one picture."""
    output = options.output or (f"{Path(options.log[0]).stem}.png" if len(options.log) == 1 else "trainings.png")
    draw(options.log, output, options.seconds)
    print(output)
    return 0
