"""Where things are kept between processes, and that a file there is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from caffe_sdk.engine import user_cache


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache.folder("loops") == tmp_path / "caffe_sdk" / "loops"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache.folder("loops") == tmp_path / ".cache" / "caffe_sdk" / "loops"


def test_what_is_kept_replaces_what_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for contents in (b"first", b"second"):
        user_cache.keep(path, contents)
        assert path.read_bytes() == contents
    assert os.listdir(path.parent) == ["file"]


def test_no_room_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    user_cache.keep(tmp_path / "file" / "below", b"lost")
    assert (tmp_path / "file").read_bytes() == b"in the way"


def test_what_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        user_cache.keep(tmp_path / "file", b"contents")
    assert os.listdir(tmp_path) == []
