"""Looking into databases: what is counted, which records are bad, and the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.cli.main import main
from caffe_sdk.data import datum, images
from caffe_sdk.data.databases import create_database, write_arrays
from caffe_sdk.data.inspection import inspect
from caffe_sdk.errors import MissingFileError


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Records of all kinds, two of them bad."""
    pixels = np.full((3, 4, 5), 200, np.uint8)
    with create_database(tmp_path / "mixed", "lmdb") as writer:
        writer.put(b"a", datum.encode(pixels, 1))
        writer.put(b"b", datum.encode(np.float32(pixels[:1]), 2))
        writer.put(b"c", datum.encode_image(images.encode(pixels, "png"), 1))
        writer.put(b"d", datum.encode_image(images.encode(pixels, "jpg"), -1))
        writer.put(b"e", b"nonsense")
        writer.put(b"f", datum.encode_image(images.encode(pixels, "png")[:50], 1))
    return tmp_path / "mixed"


def test_what_is_found(mixed: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    found = inspect(mixed, progress=lambda *state: seen.append(state))
    assert (found.backend, found.records, found.seen, found.keys) == ("LMDB", 6, 6, (b"a", b"f"))
    assert found.shapes == {(3, 4, 5): 3, (1, 4, 5): 1}
    assert found.kinds == {"uint8": 1, "float32": 1, "encoded PNG": 1, "encoded JPEG": 1}
    assert found.labels == {1: 2, 2: 1, -1: 1}
    assert [error.where.split("'")[1] for error in found.bad] == ["e", "f"]
    assert [record.key for record in found.sample] == [b"a", b"b", b"c", b"d"]
    assert seen == [(str(mixed), 6, 6)]
    first = inspect(mixed, limit=2)
    assert (first.records, first.seen, first.bad) == (6, 2, [])
    assert "looked at  the first 2" in first.lines()


def test_the_sample_is_spread_over_the_database(tmp_path: Path) -> None:
    write_arrays(tmp_path / "db", np.zeros((100, 1, 1, 1), np.uint8), np.arange(100))
    found = inspect(tmp_path / "db", sample=4)
    assert [record.label for record in found.sample] == [0, 25, 50, 75]
    assert inspect(tmp_path / "db", sample=0).sample == []
    lines = list(found.lines())
    assert sum("█" in line for line in lines) == 20
    assert any(line.split()[0] == "95-99" for line in lines)


def test_nothing_in_it(tmp_path: Path) -> None:
    with create_database(tmp_path / "empty", "lmdb"):
        pass
    assert list(inspect(tmp_path / "empty").lines()) == [f"{tmp_path / 'empty'}: LMDB, 0 records"]
    with pytest.raises(MissingFileError):
        inspect(tmp_path / "nowhere")


def test_the_command(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", str(mixed), "--sheet", str(tmp_path / "sheet.png"), "--images", "9"]) == 6
    told = capsys.readouterr().out
    assert "6 records" in told
    assert "2 of 6 records are bad" in told
    assert "3 x 4 x 5" in told
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert main(["data", "inspect", str(mixed), "--records", "4"]) == 0
    assert main(["data", "inspect", str(mixed), "--sheet", "sheet.text"]) == 2
    assert main(["data", "inspect", str(tmp_path / "nowhere")]) == 5
    with pytest.raises(SystemExit):
        main(["data", "inspect", str(mixed), "--images", "0"])
