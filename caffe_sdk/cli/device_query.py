"""``caffe device_query``: show what computes here."""

from __future__ import annotations

import argparse

from caffe_sdk import mode
from caffe_sdk.app.tasks import device_query


def run(options: argparse.Namespace) -> int:
    """Print a line a fact. With -gpu of these GPUs only, and it is an error when one is not there."""
    facts = device_query(mode.gpu_numbers(options.gpu) if options.gpu else None)
    width = max(len(fact.name) for fact in facts)
    for fact in facts:
        print(f"{fact.name + ':':{width + 1}} {fact.value}")
    return 0
