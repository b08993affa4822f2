#!/usr/bin/env python3
"""Caffe's draw_net; the logic is in the package."""

import sys

from caffe_sdk.cli.python_tools import draw_net

if __name__ == "__main__":
    sys.exit(draw_net())
