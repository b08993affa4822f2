#!/usr/bin/env python3
"""Caffe's detect; the logic is in the package."""

import sys

from caffe_sdk.cli.python_tools import detect

if __name__ == "__main__":
    sys.exit(detect())
