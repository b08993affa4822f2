"""What counts as a model, a version and its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.errors import FileError, MissingFileError
from caffe_sdk.serving import folder


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_models_and_versions(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1" / "x", tmp_path / "a" / "12" / "x", tmp_path / "a" / "007" / "x")
    touch(tmp_path / "b" / "x", tmp_path / ".hidden" / "x", tmp_path / "README")
    assert folder.model_names(tmp_path) == ["a", "b"]
    assert sorted(folder.version_folders(tmp_path / "a")) == [1, 12]
    assert folder.version_folders(tmp_path / "b") == {1: tmp_path / "b"}
    with pytest.raises(MissingFileError, match="cannot be read: No such file"):
        folder.model_names(tmp_path / "nowhere")


def test_files(tmp_path: Path) -> None:
    names = ["train_val.prototxt", "deploy.prototxt", "a.caffemodel", "a.preprocessing.json", "synset_words.txt"]
    touch(*(tmp_path / name for name in names))
    found = folder.files_of(tmp_path)
    assert found.prototxt == tmp_path / "deploy.prototxt"
    assert found.weights == tmp_path / "a.caffemodel"
    assert found.record == tmp_path / "a.preprocessing.json"
    assert found.labels == tmp_path / "synset_words.txt"


def test_files_that_are_not_clear(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no deploy net"):
        folder.files_of(tmp_path)
    touch(tmp_path / "net.prototxt", tmp_path / "a.caffemodel", tmp_path / "b.caffemodel")
    with pytest.raises(FileError, match=r"a\.caffemodel, b\.caffemodel: each may be weights"):
        folder.files_of(tmp_path)


def test_signatures_tell_changes(tmp_path: Path) -> None:
    touch(tmp_path / "1" / "net.prototxt")
    before = folder.signature(tmp_path, tmp_path / "1")
    assert folder.signature(tmp_path, tmp_path / "1") == before
    (tmp_path / "1" / "net.prototxt").write_text("longer")
    after = folder.signature(tmp_path, tmp_path / "1")
    touch(tmp_path / "config.json")
    assert len({before, after, folder.signature(tmp_path, tmp_path / "1")}) == 3


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("n01440764 tench, Tinca tinca\ncat\n")
    assert folder.read_labels(tmp_path / "labels.txt") == ("n01440764 tench, Tinca tinca", "cat")
