"""Windows of images: the file, where they are cut out, what comes into the batch, and errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data.prefetch import Batch
from caffe_sdk.data.windows import Cut, Span, WindowFiller, expanded, read_windows
from caffe_sdk.errors import ArgumentError, DataError, MissingFileError, ShapeError
from caffe_sdk.schema.messages import BlobProto

TWO = """# 0
{folder}/a.png
3
20
30
3
1 0.9 0 0 9 9
2 0.5 10 10 19 19
1 0.4 3 3 5 5
# 1
{folder}/b.png
3
20
30
1
0 0 20 0 29 9
"""


@pytest.fixture
def listed(tmp_path: Path, rng: np.random.Generator) -> Path:
    for name in "ab":
        Image.fromarray(rng.integers(1, 256, (20, 30, 3)).astype(np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "windows.txt").write_text(TWO.format(folder=tmp_path))
    return tmp_path / "windows.txt"


def pixels(listed: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(listed.parent / f"{name}.png"))[..., ::-1].transpose(2, 0, 1).astype(np.float32)


def filler(listed: Path, cut: Cut | None = None, batch: int = 4, fraction: float = 0.5, **options: Any) -> WindowFiller:
    windows = read_windows(listed, 0.5, 0.3)
    return WindowFiller(listed, windows, cut or Cut(10), batch, fraction, **options)


def filled(made: WindowFiller) -> tuple[np.ndarray, np.ndarray]:
    batch = Batch()
    made.fill(batch)
    return batch.arrays[0], batch.arrays[1]


def test_the_file_is_sorted_by_thresholds(listed: Path) -> None:
    windows = read_windows(listed, 0.5, 0.3)
    assert windows.images == [f"{listed.parent}/a.png", f"{listed.parent}/b.png"]
    assert windows.channels == 3
    assert windows.foreground.tolist() == [[0, 1, 0, 0, 9, 9], [0, 2, 10, 10, 19, 19]]
    assert windows.background.tolist() == [[1, 0, 20, 0, 29, 9]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "the image at line 1 is not of the form: 'hello' stands where"),
        ("# 0\npath\n3\n4\n", "the image at line 1 is not of the form"),
        ("# 0\npath\n3\n4\n4\nmany\n", "invalid literal for int"),
        ("# 0\npath\n3\n4\n4\n2\n1 1 0 0 1 1\n", "the image at line 1"),
        ("# 0\npath\n3\n4\n4\n1\n1 1 0 0 1\n", "line 1 is not of the form: a window of 5 numbers, '1 1 0 0 1'"),
        ("# 0\npath\n3\n4\n4\n1\n0 1 0 0 1 1\n", "record 'path': a window on an object has label 0"),
        ("# 0\npath\n3\n4\n4\n-1\n", "the image at line 1"),
    ],
)
def test_files_that_are_not_of_the_form(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "w").write_text(text)
    with pytest.raises(DataError, match=words):
        read_windows(tmp_path / "w", 0.5, 0.5)


def test_background_comes_first(listed: Path) -> None:
    made = filler(listed, batch=5, fraction=0.5)
    data, labels = filled(made)
    assert labels[:3].tolist() == [0, 0, 0]
    assert set(labels[3:]) <= {1, 2}
    np.testing.assert_array_equal(data[0], pixels(listed, "b")[:, :10, 20:])
    assert made.position == 5
    assert made.shapes == [(5, 3, 10, 10), (5,)]


def test_mean_and_scale(listed: Path, tmp_path: Path) -> None:
    part = pixels(listed, "b")[:, :10, 20:]
    data, _ = filled(filler(listed, Cut(10, scale=0.5), fraction=0, mean=[1, 2, 3]))
    np.testing.assert_allclose(data[0], (part - np.array([1, 2, 3])[:, None, None]) / 2)
    mean = BlobProto(num=1, channels=3, height=14, width=14, data=np.arange(3 * 14 * 14))
    (tmp_path / "mean").write_bytes(mean.SerializeToString())
    data, _ = filled(filler(listed, fraction=0, mean=str(tmp_path / "mean")))
    np.testing.assert_array_equal(data[0], part - np.arange(588.0).reshape(3, 14, 14)[:, 2:12, 2:12])


def test_mirrored_windows(listed: Path) -> None:
    part = pixels(listed, "b")[:, :10, 20:]
    data, _ = filled(filler(listed, Cut(10, mirror=True), batch=20, fraction=0))
    turned = [np.array_equal(one, part[:, :, ::-1]) for one in data]
    straight = [np.array_equal(one, part) for one in data]
    assert all(a != b for a, b in zip(turned, straight, strict=True))
    assert 0 < sum(turned) < 20


def test_context_outside_of_the_image_stays_zero(listed: Path) -> None:
    """Of the window at the upper right corner 2 rows and, mirrored, 2 columns on the left lie outside."""
    cut = Cut(14, context_pad=2, mirror=True)
    assert expanded([20, 0, 29, 9], cut) == (18, -2, 32, 12)
    data, _ = filled(filler(listed, cut, batch=20, fraction=0, mean=[100]))
    sides = set()
    for one in data:
        assert not one[:, :2].any()
        sides.add((one[:, 2:, :2].any(), one[:, 2:, -3:].any()))
    assert sides == {(False, True), (True, False)}


def test_square_windows_grow_along_the_short_side() -> None:
    assert expanded([0, 0, 9, 19], Cut(10, square=True)) == (-5, 0, 15, 20)
    assert expanded([0, 0, 9, 19], Cut(10)) == (0, 0, 9, 19)


def test_spans() -> None:
    inside, left, outside = Span(2, 5, 10, 8), Span(-4, 3, 10, 16), Span(12, 15, 10, 8)
    assert (inside.first, inside.last, inside.before, inside.length, inside.after) == (2, 5, 0, 8, 0)
    assert (left.first, left.last, left.before, left.length, left.after) == (0, 3, 8, 8, 0)
    assert inside.seen
    assert left.seen
    assert not outside.seen


@pytest.mark.parametrize("cached", [False, True])
def test_taken_up_at_a_position(listed: Path, cached: bool) -> None:
    first = filler(listed, Cut(8, 1, mirror=True), seed=5, cached=cached)
    batches = [filled(first) for _ in range(3)]
    again = filler(listed, Cut(8, 1, mirror=True), seed=5)
    again.seek(8)
    for one, other in zip(batches[2], filled(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(batches[1][0], batches[2][0])
    first.close()
    with pytest.raises(ArgumentError, match="position -1"):
        again.seek(-1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0 0 20 0 29 9", "0 0.4 20 0 29 9", "has no background windows; list some, or change the bg threshold"),
        (r" 0\.[95] ", " 0.4 ", "has no foreground windows; list some, or change the fg threshold"),
        (r"\n3\n20", "\n4\n20", "images of 4 channels; give images of 1 or 3"),
    ],
)
def test_windows_that_cannot_be_drawn_from(listed: Path, old: str, new: str, words: str) -> None:
    listed.write_text(re.sub(old, new, listed.read_text()))
    with pytest.raises(DataError, match=rf"^{listed}: {words}"):
        filler(listed)


def test_a_mean_that_does_not_fit(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="2 mean_values for 3 channels"):
        filler(listed, mean=[1, 2])
    with pytest.raises(MissingFileError, match="nowhere"):
        filler(listed, mean="nowhere")
    mean = BlobProto(num=1, channels=3, height=9, width=14, data=np.zeros(3 * 9 * 14))
    (tmp_path / "mean").write_bytes(mean.SerializeToString())
    with pytest.raises(ShapeError, match=r"a mean is \(3, height, width\), at least 10 x 10"):
        filler(listed, mean=str(tmp_path / "mean"))


def test_errors_name_list_and_image(listed: Path) -> None:
    listed.write_text(listed.read_text().replace("20 0 29 9", "40 0 49 9"))
    with pytest.raises(DataError, match=rf"^{listed}: record '.*b.png': window \(40, 0, 49, 9\) lies outside"):
        filled(filler(listed, fraction=0))
    (listed.parent / "b.png").unlink()
    with pytest.raises(MissingFileError, match=rf"^{listed}: record '.*b.png': Could not open"):
        filled(filler(listed, fraction=0))
