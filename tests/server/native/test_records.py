"""Records of preprocessing there and back as messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.rpc import pb
from caffe_sdk.server.native.records import from_message, to_message

MEAN = np.arange(3, dtype=np.float32)


@pytest.mark.parametrize(
    "record",
    [
        Preprocessing(),
        Preprocessing((6, 5), (4, 3), "RGB", MEAN, 0.5),
        Preprocessing(None, None, "GRAY", np.ones((1, 4, 5), np.float32), 0.0),
    ],
)
def test_there_and_back(record: Preprocessing) -> None:
    back = from_message(to_message(record))
    assert (back.resize, back.crop, back.channels, back.scale) == (
        record.resize,
        record.crop,
        record.channels,
        record.scale,
    )
    assert (back.mean is None) == (record.mean is None)
    if back.mean is not None:
        np.testing.assert_array_equal(back.mean, record.mean)


def test_an_empty_message_does_nothing_to_images() -> None:
    record = from_message(pb.Preprocessing())
    assert (record.resize, record.crop, record.channels, record.mean, record.scale) == (None, None, "BGR", None, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channels": "CMYK"}, "channels are 'CMYK'; give one of BGR, RGB, GRAY"),
        ({"resize": [3]}, r"resize is \[3\]; give height and width"),
        ({"crop": [3, 0]}, r"crop is \[3, 0\]"),
    ],
)
def test_messages_that_make_no_sense(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        from_message(pb.Preprocessing(**fields))


def test_a_mean_of_other_channels() -> None:
    message = to_message(Preprocessing(mean=MEAN))
    message.channels = "GRAY"
    with pytest.raises(ArgumentError, match=r"the mean is of shape \(3,\); give \(1,\)"):
        from_message(message)
