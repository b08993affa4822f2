"""Contact sheets: what a record looks like, and where it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data.datum import Record
from caffe_sdk.data.sheet import CAPTION, GAP, TILE, picture, write_sheet
from caffe_sdk.errors import ArgumentError, WriteError


def record(pixels: np.ndarray, label: int = 3) -> Record:
    return Record(pixels.shape, pixels, label)


def test_pictures() -> None:
    bgr = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert picture(bgr)[0, 0].tolist() == [8, 4, 0]
    assert picture(bgr, rgb=True)[0, 0].tolist() == [0, 4, 8]
    assert picture(np.concatenate([bgr, bgr[:1]])).shape == (2, 2, 3)
    np.testing.assert_array_equal(picture(bgr[:1]), bgr[0])
    np.testing.assert_array_equal(picture(bgr[:2]), np.hstack([bgr[0], bgr[1]]))
    assert picture(np.zeros((9, 2, 3), np.uint8)).shape == (2, 12)
    np.testing.assert_array_equal(picture(np.float32([[[-1, 0, 1]]])), [[0, 127, 255]])
    assert picture(np.full((1, 2, 2), np.nan, np.float32)).max() == 0


def test_sheet(tmp_path: Path) -> None:
    colour = np.zeros((3, 300, 150), np.uint8)
    colour[2] = 255
    records = [record(np.full((1, 28, 28), 9, np.uint8)), record(colour), record(np.full((1, 10, 10), 60, np.uint8))]
    write_sheet(tmp_path / "sheet.png", records)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    width = 90  # of the widest picture: 28 pixels enlarged by 3, 10 by 9
    assert sheet.shape == (2 * (TILE + GAP + CAPTION) + GAP, 2 * (width + GAP) + GAP, 3)
    assert sheet[GAP + 10, GAP + width // 2].tolist() == [9, 9, 9]
    assert sheet[GAP + 10, GAP + width + GAP + width // 2].tolist() == [255, 0, 0]
    caption = sheet[GAP + TILE : GAP + TILE + CAPTION, GAP : GAP + width]
    assert caption.min() < 100


def test_sheets_that_cannot_be(tmp_path: Path) -> None:
    write_sheet(tmp_path / "empty.png", [])
    with pytest.raises(ArgumentError, match=r"end it in \.png"):
        write_sheet(tmp_path / "sheet", [])
    with pytest.raises(WriteError):
        write_sheet(tmp_path / "nowhere" / "sheet.png", [])
