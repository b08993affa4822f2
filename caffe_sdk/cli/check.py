"""``caffe check``: mistakes in a model or solver."""

from __future__ import annotations

import argparse
import sys

from caffe_sdk.app.check import check
from caffe_sdk.cli.flags import stages


def run(options: argparse.Namespace) -> int:
    """Print what is found, a line each; 0 when nothing is wrong, 1 with warnings, an error's status with errors."""
    report = check(options.model, options.phase, options.level, stages(options))
    for line in report.lines():
        print(line)
    for error in report.errors:
        print(f"caffe: {error.code}: {error}", file=sys.stderr)
    hints = len(report.entries) - len(report.warnings)
    print(f"{len(report.errors)} errors, {len(report.warnings)} warnings, {hints} hints")
    return report.exit_status
