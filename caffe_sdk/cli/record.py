"""``caffe record``: how images become a model's input, written down beside it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from caffe_sdk.app.records import write_record
from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema.files import read_text

if TYPE_CHECKING:
    from caffe_sdk.preprocessing import Size


def run(options: argparse.Namespace) -> int:
    """Write the record and show it."""
    resize = _size(options.resize) if options.resize else None
    path = write_record(options.model, options.weights, resize, options.channels)
    print(f"{path}:\n{read_text(path)}", end="")
    return 0


def _size(words: str) -> Size:
    try:
        height, width = (int(word) for word in words.split(","))
    except ValueError:
        raise ArgumentError("-resize", f"'{words}' is no size", "give HEIGHT,WIDTH, for example 256,256") from None
    return height, width
