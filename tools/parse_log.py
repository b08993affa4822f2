#!/usr/bin/env python3
"""Caffe's parse_log; the logic is in the package."""

import sys

from caffe_sdk.cli.log_tools import parse_log

if __name__ == "__main__":
    sys.exit(parse_log())
