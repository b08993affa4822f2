#!/usr/bin/env python3
"""Caffe's train; the logic is in the package."""

import sys

from caffe_sdk.cli.train_processes import train

if __name__ == "__main__":
    sys.exit(train())
