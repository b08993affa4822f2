"""The user's cache folder: what is kept between processes, and can be made again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def folder(name: str) -> Path:
    """The folder for one kind of files, there or not."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    above = Path(home) if os.path.isabs(home) else Path(os.path.expanduser("~")) / ".cache"
    return above / "caffe_sdk" / name


def keep(path: Path, contents: bytes) -> None:
    """Put a file there, whole or not at all; without a word if there is no room."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        try:
            with open(handle, "wb") as file:
                file.write(contents)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
