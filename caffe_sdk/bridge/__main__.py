"""``python -m caffe_sdk.bridge --dir DIR [--pipe]``."""

from __future__ import annotations

import sys

from caffe_sdk.bridge.process import main

if __name__ == "__main__":
    sys.exit(main())
