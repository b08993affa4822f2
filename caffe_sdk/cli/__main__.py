"""``python -m caffe_sdk.cli``: the ``caffe`` command where its script is not on the path."""

from __future__ import annotations

import sys

from caffe_sdk.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
