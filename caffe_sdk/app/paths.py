"""Which files may be opened for whoever a session belongs to.

A user at a keyboard opens what the operating system lets them. A client on the network opens what lies in one folder,
or nothing: `Inside` checks the paths a client names, those written in its nets and solvers included, and refuses
layers that run code.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from caffe_sdk.errors import FileError, LayerError

PATH_FIELDS = frozenset(
    {
        "DataParameter.source",
        "DataParameter.mean_file",
        "HDF5DataParameter.source",
        "HDF5OutputParameter.file_name",
        "ImageDataParameter.source",
        "ImageDataParameter.mean_file",
        "ImageDataParameter.root_folder",
        "InfogainLossParameter.source",
        "SolverParameter.net",
        "SolverParameter.snapshot_prefix",
        "SolverParameter.test_net",
        "SolverParameter.train_net",
        "SolverParameter.weights",
        "TransformationParameter.mean_file",
        "V0LayerParameter.meanfile",
        "V0LayerParameter.source",
        "WindowDataParameter.mean_file",
        "WindowDataParameter.root_folder",
        "WindowDataParameter.source",
    }
)
"""Fields of Caffe's messages that name files or folders."""

LIST_FIELDS = frozenset({"HDF5DataParameter.source", "ImageDataParameter.source", "WindowDataParameter.source"})
"""Fields that name files in which more paths stand. Those paths are whoever's who wrote the file."""

OUTPUT_FIELDS = frozenset({"HDF5OutputParameter.file_name"})
"""Fields that name files to write."""

WRITTEN = (".caffemodel", ".solverstate", ".h5", ".hdf5")
"""How the names end of files that a client can have written. None of them is ever read as a list of paths: a client
could write one of its own into a caffemodel's names."""

CODE_FIELDS = frozenset({"PythonParameter.module"})
"""Fields that name code to run."""


class Paths:
    """Any file; relative paths count from the current folder."""

    confine = False

    def resolve(self, path: str) -> str:
        """The path to open for what the user calls ``path``."""
        return path

    def resolve_new(self, path: str) -> str:
        """The path to write to for what the user calls ``path``."""
        return self.resolve(path)

    def check(self, description: Any) -> None:
        """Make every path in a net's or solver's description one that may be opened, in place."""


ANYWHERE = Paths()


class Inside(Paths):
    """Files in one folder, from which relative paths count; none at all without a folder.

    ``modules`` are those that layers written in Python may come from.

    Raises:
        FileError: a path leads outside, by ``..``, by being absolute or through a link; a file is to be written that
            could be mistaken for another kind, or read as a list that a client may have written; or there is no folder.
        LayerError: a layer that runs code of its own.
    """

    confine = True

    def __init__(self, folder: str | None, modules: Collection[str] = ()) -> None:
        self.folder = None if folder is None else Path(folder).resolve()
        self.modules = frozenset(modules)

    def resolve(self, path: str) -> str:
        if self.folder is None:
            what = f"Could not open file {path}: this server opens no files for its clients"
            raise FileError("", what, "send text and bytes, and leave files out of the description")
        try:
            target = (self.folder / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a null byte, a circle of links
            raise FileError("", f"Could not open file {path!r}: {error}", "give a path in the models folder") from None
        if not target.is_relative_to(self.folder):
            what = f"Could not open file {path}: it is outside the models folder"
            raise FileError("", what, "give a path in the folder that the server keeps its models in")
        return path if os.path.isabs(path) else str(target)  # an absolute path keeps the user's spelling in errors

    def resolve_new(self, path: str) -> str:
        target = self.resolve(path)
        if not path.lower().endswith(WRITTEN):
            what = f"Could not write file {path}: its name does not say what it is"
            raise FileError("", what, f"give a name that ends in {', '.join(WRITTEN)}")
        return target

    def check(self, description: Any) -> None:
        for message, field, where in _strings(description, ""):
            name = f"{message.DESCRIPTOR.name}.{field.name}"
            if name in CODE_FIELDS:
                if getattr(message, field.name) in self.modules:
                    continue
                raise LayerError(where, "runs code of its own, which this server does not allow", "leave the layer out")
            if name == "SolverParameter.weights":
                message.weights[:] = [self._each(paths) for paths in message.weights]
            elif name in PATH_FIELDS and field.is_repeated:
                getattr(message, field.name)[:] = map(self.resolve, getattr(message, field.name))
            elif name in PATH_FIELDS:
                resolve = self.resolve_new if name in OUTPUT_FIELDS else self.resolve
                resolve = self._resolve_list if name in LIST_FIELDS else resolve
                setattr(message, field.name, resolve(getattr(message, field.name)))
        if description.DESCRIPTOR.name == "SolverParameter" and not description.snapshot_prefix:
            self._place_snapshots(description)

    def _resolve_list(self, path: str) -> str:
        """A file in which more paths stand: not one that a client may have had written."""
        if path.lower().endswith(WRITTEN):
            what = f"Could not open file {path}: it is no list of files"
            raise FileError("", what, "give a list that the operator put into the folder")
        return self.resolve(path)

    def _each(self, paths: str) -> str:
        """Resolve a list of paths with commas, as the field ``weights`` may hold."""
        return ",".join(self.resolve(path.strip()) for path in paths.split(","))

    def _place_snapshots(self, solver: Any) -> None:
        """A solver that does not say where its snapshots go writes them to the folder, or none."""
        if self.folder is not None:
            solver.snapshot_prefix = str(self.folder / "snapshot")
        else:
            solver.snapshot = 0
            solver.snapshot_after_train = False


def _strings(message: Any, where: str) -> Iterator[tuple[Any, Any, str]]:
    """Every string field that is set in a message and below it, with the layer it stands in."""
    if message.DESCRIPTOR.name in ("LayerParameter", "V1LayerParameter"):
        where = f"layer '{message.name}'"
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            yield message, field, where
        elif field.type == field.TYPE_MESSAGE:
            for child in value if field.is_repeated else [value]:
                yield from _strings(child, where)
