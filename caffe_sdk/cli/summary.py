"""``caffe summary``: what a model is and costs."""

from __future__ import annotations

import argparse

from caffe_sdk.app.describe import describe
from caffe_sdk.cli.flags import stages


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    print(describe(options.model, options.phase.lower(), options.weights, options.level, stages(options)))
    return 0
