"""What lies in a model repository::

    DIR/MODEL/config.json                       may be missing
    DIR/MODEL/VERSION/*.prototxt                a deploy net; of several, deploy.prototxt or *_deploy.prototxt
    DIR/MODEL/VERSION/*.caffemodel              its weights, or *.caffemodel.h5
    DIR/MODEL/VERSION/*.preprocessing.json      how images become its input; may be missing
    DIR/MODEL/VERSION/labels.txt                a name for each class, or synset_words.txt; may be missing

Versions are numbers. A model without folders of versions is version 1 itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from caffe_sdk import preprocessing
from caffe_sdk.errors import FileError, MissingFileError
from caffe_sdk.serving import config

LABELS = ("labels.txt", "synset_words.txt")
WEIGHTS = (".caffemodel", ".caffemodel.h5", ".h5")

Signature = frozenset[tuple[str, int, int]]
"""Names, sizes and times of files: another one when a file came, went or changed."""


@dataclass(frozen=True)
class VersionFiles:
    """The files of one version of a model."""

    folder: Path
    prototxt: Path
    weights: Path | None
    """None where the folder has none, which is right for nets without parameters."""
    record: Path | None
    labels: Path | None


def model_names(root: Path) -> list[str]:
    """The folders that may be models, in alphabetical order; hidden ones are not. Raises MissingFileError."""
    try:
        return sorted(each.name for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError as error:
        what = f"the folder of models cannot be read: {error.strerror}"
        raise MissingFileError(str(root), what, "name a folder with a folder for each model") from None


def version_folders(model: Path) -> dict[int, Path]:
    """The folders of a model's versions by number."""
    found = {int(each.name): each for each in _children(model) if each.is_dir() and _is_version(each.name)}
    return found or {1: model}


def signature(model: Path, version: Path) -> Signature:
    """What one version depends on: its files and the model's configuration."""
    files = [model / config.NAME, *(each for each in _children(version) if not each.is_dir())]
    found = []
    for path in files:
        try:
            state = path.stat()
        except OSError:
            continue  # it went meanwhile
        found.append((str(path), state.st_size, state.st_mtime_ns))
    return frozenset(found)


def files_of(version: Path) -> VersionFiles:
    """The files of a version. Raises MissingFileError, and FileError where it is not clear which file is meant."""
    names = sorted(each.name for each in _children(version) if each.is_file())
    nets = [name for name in names if name.endswith(".prototxt")]
    if len(nets) > 1:
        nets = [name for name in nets if name == "deploy.prototxt"] or [
            name for name in nets if name.endswith("deploy.prototxt")
        ]
    prototxt = _one(version, nets, "a deploy net (.prototxt)", "deploy.prototxt")
    if prototxt is None:
        raise MissingFileError(str(version), "there is no deploy net", "put a deploy.prototxt there")
    weights = _one(version, [name for name in names if name.endswith(WEIGHTS)], "weights", "NAME.caffemodel")
    records = [name for name in names if name.endswith(preprocessing.SUFFIX)]
    record = _one(version, records, "a record of preprocessing", f"NAME{preprocessing.SUFFIX}")
    labels = next((version / name for name in LABELS if name in names), None)
    return VersionFiles(version, prototxt, weights, record, labels)


def read_labels(path: Path) -> tuple[str, ...]:
    """The classes' names, a line each; of ``n01440764 tench`` as ImageNet's lists have it the whole line."""
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError as error:
        raise FileError(str(path), f"cannot be read: {error.strerror}", "make it readable") from None


def _one(folder: Path, names: list[str], what: str, example: str) -> Path | None:
    if len(names) > 1:
        raise FileError(str(folder), f"{', '.join(names)}: each may be {what}", f"leave one, or call it {example}")
    return folder / names[0] if names else None


def _children(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".")]
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return []
        raise FileError(str(folder), f"cannot be read: {os.strerror(error.errno or 0)}", "make it readable") from None


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and name[0] != "0"
