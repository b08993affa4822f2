#!/usr/bin/env python3
"""Caffe's classify; the logic is in the package."""

import sys

from caffe_sdk.cli.python_tools import classify

if __name__ == "__main__":
    sys.exit(classify())
