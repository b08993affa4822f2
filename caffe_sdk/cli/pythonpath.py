"""``caffe pythonpath``: the folder from which ``import caffe`` gives this package."""

from __future__ import annotations

import argparse

from caffe_sdk.compat import pythonpath


def run(options: argparse.Namespace) -> int:
    """Print the folder."""
    print(pythonpath())
    return 0
