#!/usr/bin/env python3
"""Caffe's plot_training_log; the logic is in the package."""

import sys

from caffe_sdk.cli.log_tools import plot_training_log

if __name__ == "__main__":
    sys.exit(plot_training_log())
