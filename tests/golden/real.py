"""The real nets and solvers of the shared material, by path, and nets without the data they would read."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter, SolverParameter


def files(folder: Path) -> list[Path]:
    """Every prototxt of the shared material, in a fixed order."""
    return sorted(path for path in (folder / "prototxt").rglob("*") if path.suffix in (".prototxt", ".pt"))


def kind_of(text: str) -> Any:
    """The class of the message a prototxt holds."""
    is_solver = any(line.split(":")[0].strip() == "base_lr" for line in text.splitlines())
    return SolverParameter if is_solver else NetParameter


@functools.cache
def read(path: Path) -> Any:
    """The message of a prototxt, the same one every time: do not change it."""
    text = path.read_text()
    return prototxt.parse(text, kind_of(text), str(path))
