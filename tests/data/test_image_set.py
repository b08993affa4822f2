"""Databases of listed images; the flags are tested with the command, tests/cli/test_data_tools.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.data.databases import open_database
from caffe_sdk.data.datum import parse
from caffe_sdk.data.image_set import Form, convert_images
from caffe_sdk.errors import ArgumentError


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A folder with three images of different sizes, grey and in colour, and one that is none."""
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.full((6, 3, 3), (1, 2, 3), np.uint8)).save(tmp_path / "colour.PNG")
    Image.fromarray(np.full((4, 5, 3), (1, 2, 3), np.uint8)).save(tmp_path / "photo.jpeg")
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "list.txt").write_text("grey.png 1\nbad.png 2\ncolour.PNG -3\nphoto.jpeg 4\n")
    return f"{tmp_path}/"


def test_outcome_and_progress(root: str, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    outcome = convert_images(root, tmp_path / "list.txt", tmp_path / "db", progress=lambda *state: seen.append(state))
    assert (outcome.written, outcome.skipped) == (3, ["00000001_bad.png"])
    assert seen == [(str(tmp_path / "db"), 4, 4)]
    with open_database(tmp_path / "db") as database:
        records = {key: parse(value) for key, value in database.items()}
    assert list(records) == [b"00000000_grey.png", b"00000002_colour.PNG", b"00000003_photo.jpeg"]
    colour = records[b"00000002_colour.PNG"]
    assert (colour.shape, colour.label) == ((3, 6, 3), -3)
    assert np.asarray(colour.array)[:, 0, 0].tolist() == [3, 2, 1]


def test_which_files_are_kept(root: str, tmp_path: Path) -> None:
    for kind, kept in (("", ["grey.png", "colour.PNG", "photo.jpeg"]), ("jpg", ["photo.jpeg"])):
        convert_images(root, tmp_path / "list.txt", tmp_path / f"db{kind}", form=Form(encoded=True, encode_type=kind))
        with open_database(tmp_path / f"db{kind}") as database:
            files = {key[9:].decode(): bytes(parse(value).encoded or b"") for key, value in database.items()}
        assert [name for name, data in files.items() if data == Path(root, name).read_bytes()] == kept


def test_a_kind_nobody_writes_is_told_before_anything_is_done(root: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="use png or jpg"):
        convert_images(root, tmp_path / "list.txt", tmp_path / "db", form=Form(encode_type="doc"))
    assert not (tmp_path / "db").exists()
