"""Images that a file lists: order, sizes, positions, and errors that name list and image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data.datum import Record
from caffe_sdk.data.image_list import ImageListSource, read_list
from caffe_sdk.data.loader import Loader
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import ArgumentError, DataError, MissingFileError
from caffe_sdk.schema.messages import TEST, TransformationParameter


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Seven images of one colour, 10 i, label i, of 4 rows and 3 columns."""
    for i in range(7):
        Image.fromarray(np.full((4, 3, 3), 10 * i, np.uint8)).save(tmp_path / f"image {i}.png")
    (tmp_path / "list.txt").write_text("".join(f"image {i}.png {i}\n" for i in range(7)))
    return tmp_path / "list.txt"


def source(listed: Path, **options: Any) -> ImageListSource:
    return ImageListSource(listed, f"{listed.parent}/", **options)


def pixels(record: Record) -> np.ndarray:
    assert record.load is not None
    return record.load()


def labels(stream: ImageListSource, count: int) -> list[int]:
    found = []
    for _ in range(count):
        record = stream.read()
        assert (pixels(record) == 10 * record.label).all()
        found.append(int(record.label))
    return found


def test_in_order_and_again(listed: Path) -> None:
    stream = source(listed)
    assert pixels(stream.first()).shape == (3, 4, 3)
    assert stream.first().key == b"image 0.png"
    assert labels(stream, 9) == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert stream.position == 9
    stream.close()


def test_every_pass_is_shuffled_anew(listed: Path) -> None:
    everything = labels(source(listed, shuffle=True, seed=4), 21)
    passes = np.reshape(everything, (3, 7)).tolist()
    assert all(sorted(one) == [*range(7)] for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    assert labels(source(listed, shuffle=True, seed=5), 21) != everything


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shuffle": True, "rand_skip": 6, "seed": 3}])
def test_taken_up_at_any_position(listed: Path, options: dict[str, Any]) -> None:
    everything = labels(source(listed, **options), 30)
    for position in (0, 5, 7, 20):
        stream = source(listed, **options)
        stream.seek(position)
        assert labels(stream, 10) == everything[position : position + 10]


def test_some_are_skipped_by_chance(listed: Path) -> None:
    assert {labels(source(listed, rand_skip=4, seed=seed), 1)[0] for seed in range(40)} == {0, 1, 2, 3}


def test_ranks_share_the_list(listed: Path) -> None:
    shared = [labels(source(listed, rank=rank, ranks=2), 7) for rank in (0, 1)]
    assert [shared[i % 2][i // 2] for i in range(14)] == [*range(7)] * 2


def test_size_and_colour(listed: Path) -> None:
    assert pixels(source(listed, size=(8, 5)).first()).shape == (3, 8, 5)
    assert pixels(source(listed, color=False).first()).shape == (1, 4, 3)


def test_errors(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="rank 1 of 1"):
        source(listed, rank=1)
    with pytest.raises(ArgumentError, match="position -3"):
        source(listed).seek(-3)
    with pytest.raises(DataError, match="rand_skip: 8 for 7 images"):
        source(listed, rand_skip=8)
    with pytest.raises(MissingFileError, match=r"Could not open file .*nowhere.txt"):
        source(tmp_path / "nowhere.txt")
    listed.write_text("\n \n")
    with pytest.raises(DataError, match=rf"^{listed}: the list is empty"):
        source(listed)
    listed.write_text("image 0.png 3\nimage 1.png cat\n")
    with pytest.raises(DataError, match=rf"^{listed}: line 2 is 'image 1.png cat'; give a path, a space"):
        source(listed)


def test_images_that_do_not_read(listed: Path, tmp_path: Path) -> None:
    (tmp_path / "image 1.png").write_bytes(b"no image")
    (tmp_path / "image 2.png").unlink()
    stream = source(listed)
    transform = Transform(TransformationParameter(), TEST, "")
    with Loader(stream, transform, 1, 0) as batches:
        batches.next()
        with pytest.raises(DataError, match=rf"^{listed}: record 'image 1.png': image: "):
            batches.next()
        batches.seek(2)
        with pytest.raises(MissingFileError, match=rf"^{listed}: record 'image 2.png': Could not open file"):
            batches.next()


def test_many_labels(listed: Path) -> None:
    listed.write_text("image 0.png 1 2.5 -3e1\nimage 1.png 0 0 1\n")
    stream = source(listed, labels=3)
    record = stream.read()
    assert record.key == b"image 0.png"
    np.testing.assert_array_equal(record.label, np.float32([1, 2.5, -30]))
    with Loader(stream, Transform(TransformationParameter(), TEST, ""), 2, 0) as batches:
        assert batches.shapes == [(2, 3, 4, 3), (2, 3)]
        assert batches.next()[1].tolist() == [[0, 0, 1], [1, 2.5, -30]]
    (only,) = read_list(listed, 2)[:1]
    assert only[0] == "image 0.png 1"
    listed.write_text("1 2\n")
    with pytest.raises(DataError, match="line 1 is '1 2'; give a path, a space and 3 numbers"):
        read_list(listed, 3)
    listed.write_text("image.png x\n")
    with pytest.raises(DataError, match="give a path, a space and 1 numbers"):
        read_list(listed, 1)
