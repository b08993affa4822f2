#!/usr/bin/env python3
"""Caffe's summarize; the logic is in the package."""

import sys

from caffe_sdk.cli.log_tools import summarize

if __name__ == "__main__":
    sys.exit(summarize())
