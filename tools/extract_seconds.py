#!/usr/bin/env python3
"""Caffe's extract_seconds; the logic is in the package."""

import sys

from caffe_sdk.cli.log_tools import extract_seconds

if __name__ == "__main__":
    sys.exit(extract_seconds())
