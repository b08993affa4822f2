"""Snapshots: the three files of one moment of a training, and what belongs together on the way back.

``{prefix}_iter_{N}.caffemodel`` and ``.solverstate`` are Caffe's own (both with ``.h5`` as HDF5). Beside them a *resume
record*, ``{prefix}_iter_{N}_resume.json``, holds what Caffe forgets: data positions, random numbers, the losses of the
average. Each file takes its name only when it is whole, the solverstate last: where there is a solverstate, there are
the other two. The record has fingerprints of both, so files that do not belong together are found out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.errors import CorruptFileError, FileError, MissingFileError, SolverError, WriteError
from caffe_sdk.memory import HOST, Tensor
from caffe_sdk.net import Net
from caffe_sdk.schema import hdf5, wire
from caffe_sdk.schema.files import PathLike, read_bytes, read_text, sweep, write_bytes
from caffe_sdk.schema.messages import SolverParameter, SolverState
from caffe_sdk.solver.rates import Course

log = logging.getLogger(__name__)

FORMAT = 3  # of the resume record


class Paths(NamedTuple):
    """The files of a snapshot."""

    caffemodel: str
    solverstate: str
    record: str


@dataclass(frozen=True)
class Progress:
    """What a resume record holds: the state of the train net and the test nets, the losses of the average, the best
    test so far (`watch.Watch.state`), the iterations of all snapshots that the training had made and not deleted, the
    states of the train nets of its peers, rank 0 left out, and the loss scale.
    """

    nets: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    best: list[float] | None = None
    snapshots: list[int] = field(default_factory=list)
    peers: list[dict[str, Any]] = field(default_factory=list)
    scale: dict[str, float] | None = None


# -- where -------------------------------------------------------------------------------------------------------------


def latest(param: Any) -> str:
    """The solverstate of a solver's latest snapshot that there is, by its iteration; empty where there is none.

    A solverstate takes its name last, so where there is one the snapshot is whole. SolverError when there is no
    ``snapshot_prefix``.
    """
    folder, name = os.path.split(checked_prefix(param))
    end = paths_of(param, 0).solverstate.rpartition(".solverstate")[2]
    form = re.compile(re.escape(name) + r"_iter_(\d+)\.solverstate" + re.escape(end))
    try:
        found = [match for match in map(form.fullmatch, os.listdir(folder or ".")) if match]
    except OSError:
        return ""
    return os.path.join(folder, max(found, key=lambda match: int(match[1]))[0]) if found else ""


def complete_prefix(prefix: str, solver_file: Path) -> str:
    """Caffe's ``snapshot_prefix`` of a solver file: its path without extension when unset, its stem in a folder."""
    if not prefix:
        return str(solver_file.with_suffix(""))
    return os.path.join(prefix, solver_file.stem) if os.path.isdir(prefix) else prefix


def paths_of(param: Any, iteration: int) -> Paths:
    """The files of a solver's snapshot. SolverError when it has no ``snapshot_prefix``."""
    stem = f"{checked_prefix(param)}_iter_{iteration}"
    end = ".h5" if param.snapshot_format == SolverParameter.HDF5 else ""
    return Paths(f"{stem}.caffemodel{end}", f"{stem}.solverstate{end}", f"{stem}_resume.json")


def checked_prefix(param: Any) -> str:
    """The solver's ``snapshot_prefix``, or SolverError."""
    if not param.snapshot_prefix:
        raise SolverError(
            "solver", "snapshot_prefix is not set", "give the path that the names of snapshots begin with"
        )
    return str(param.snapshot_prefix)


def check_writable(param: Any) -> None:
    """Raise WriteError unless files can be made where snapshots will go: better now than after hours."""
    prefix = checked_prefix(param)
    folder, name = os.path.split(prefix)
    try:
        with tempfile.TemporaryFile(prefix=name, dir=folder or "."):
            pass
    except (OSError, ValueError) as error:
        raise WriteError(
            "",
            f"Cannot write to snapshot prefix '{prefix}': {error}",
            "Make sure that the directory exists and is writeable.",
        ) from None


# -- writing -----------------------------------------------------------------------------------------------------------


def write(paths: Paths, net: Net, diffs: bool, state: wire.StateBlobs, progress: Progress) -> None:
    """Write a snapshot, with gradients beside the weights if ``diffs``, and sweep away what killed trainings left.

    WriteError when that fails; nothing is left of this snapshot then, and earlier ones stay.
    """
    folder, name = os.path.split(paths.caffemodel)
    sweep(folder or ".", name[: name.rindex("_iter_") + len("_iter_")])
    new = [path for path in paths if not os.path.exists(path)]
    try:
        _write(paths, net, diffs, state, progress)
    except WriteError:
        for path in new:
            with contextlib.suppress(OSError):
                os.unlink(path)
        raise


def _write(paths: Paths, net: Net, diffs: bool, state: wire.StateBlobs, progress: Progress) -> None:
    as_hdf5 = hdf5.is_hdf5(paths.solverstate)
    (net.save_hdf5 if as_hdf5 else net.save)(paths.caffemodel, diffs)
    record = {
        "format": FORMAT,
        "iteration": state.state.iter,
        "solverstate": state_fingerprint(state),
        "caffemodel": file_fingerprint(paths.caffemodel),
        **asdict(progress),
    }
    write_bytes(paths.record, json.dumps(record, indent=1).encode())
    (hdf5 if as_hdf5 else wire).write_state(paths.solverstate, state.state, state.history)


def superfluous(made: Sequence[int], keep_last: int, best: int | None) -> list[int]:
    """Which of the snapshots ``made``, the latest last, are neither among the last ``keep_last`` nor the best one."""
    return [iteration for iteration in made[:-keep_last] if iteration != best] if keep_last else []


def remove(paths: Paths) -> None:
    """Delete a snapshot, the solverstate first: where there is one, there are always the other two."""
    for path in (paths.solverstate, paths.record, paths.caffemodel):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("the old snapshot %s stays: %s", path, error.strerror)


def make_state(iteration: int, learned_net: str, history: Sequence[Tensor], course: Course) -> wire.StateBlobs:
    """A solverstate of these; the arrays are views of the tensors' numbers."""
    state = SolverState(iter=iteration, learned_net=learned_net, current_step=course.step)
    if course.last_event or course.minimum_loss != state.minimum_loss:  # only plateau moves them
        state.minimum_loss, state.iter_last_event = course.minimum_loss, course.last_event
    arrays = [t.memory.read(HOST)[: t.count].reshape(t.shape) for t in history]
    return wire.StateBlobs(state, [wire.BlobArray(array) for array in arrays])


def state_fingerprint(state: wire.StateBlobs) -> str:
    """A digest of all that a solverstate says, whatever form its file has."""
    said = state.state
    numbers = f"{said.iter} {said.current_step} {said.minimum_loss!r} {said.iter_last_event} {said.learned_net}"
    digest = hashlib.sha256(numbers.encode())
    for blob in state.history:
        digest.update(f" {blob.shape} ".encode())
        digest.update(np.ascontiguousarray(blob.data).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def file_fingerprint(path: PathLike) -> str:
    """A digest of a file's bytes. Raises what `read_bytes` does."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


# -- reading -----------------------------------------------------------------------------------------------------------


def read_state(path: PathLike) -> wire.StateBlobs:
    """A solverstate. Raises MissingFileError, FileError, CorruptFileError."""
    return hdf5.read_state(path) if hdf5.is_hdf5(path) else wire.read_state(path)


def check_history(path: PathLike, state: wire.StateBlobs, history: Sequence[Tensor]) -> None:
    """Raise SolverError unless a solverstate has one history of the right shape for each of the solver's."""
    if len(state.history) != len(history):
        raise SolverError(
            str(path),
            f"Incorrect length of history blobs. It has {len(state.history)}, this solver {len(history)}",
            "restore the snapshot with the net and the solver type it was made by",
        )
    for index, (saved, mine) in enumerate(zip(state.history, history, strict=True)):
        shape = (1,) * (4 - len(mine.shape)) + mine.shape if saved.legacy else mine.shape
        if saved.shape != shape:
            raise SolverError(
                str(path),
                f"history blob {index} has shape {saved.shape}, and the parameter it belongs to {mine.shape}",
                "restore the snapshot with the net it was made by",
            )


def state_of(rank: int, size: int, progress: Progress, fresh: dict[str, Any]) -> dict[str, Any]:
    """The state of a rank's train net, if as many ranks were saved. Else its own ``fresh`` one, at the same place in
    the data: positions count the records of all ranks.
    """
    saved = [progress.nets[0], *progress.peers]
    if len(saved) == size:
        return dict(saved[rank])
    log.warning("The snapshot is of %d ranks, and there are %d: random numbers start anew", len(saved), size)
    theirs = saved[0]["layers"]
    layers = {
        name: {**state, "position": theirs[name]["position"]} if "position" in theirs.get(name, {}) else state
        for name, state in fresh["layers"].items()
    }
    return {**fresh, "layers": layers}


def course_of(state: wire.StateBlobs) -> Course:
    """Where the learning rate's policy stood."""
    return Course(state.state.current_step, state.state.minimum_loss, state.state.iter_last_event)


def find_weights(path: PathLike, state: wire.StateBlobs) -> str:
    """The caffemodel of a solverstate: where it says, or else beside it, for snapshots that were moved."""
    said = str(state.state.learned_net)
    beside = Path(path).with_name(os.path.basename(said))
    return str(beside) if not os.path.exists(said) and beside.exists() else said


def read_progress(path: PathLike, state: wire.StateBlobs) -> Progress | None:
    """The resume record of a solverstate, or None (logged) where there is none that belongs to it.

    CorruptFileError when just one of solverstate and caffemodel is the one the record was made with: the other is
    damaged, or of another training.
    """
    record_path = Path(path).with_name(Path(path).name.split(".solverstate")[0] + "_resume.json")
    record = _read_record(record_path)
    if record is None:
        return None
    weights = find_weights(path, state)
    same_state = record["solverstate"] == state_fingerprint(state)
    same_weights = record["caffemodel"] == file_fingerprint(weights)
    if same_state and same_weights:
        return Progress(**{each.name: record[each.name] for each in fields(Progress)})
    if same_state or same_weights:
        changed, other = (weights, path) if same_state else (path, weights)
        raise CorruptFileError(
            str(changed),
            f"is not the file that was written together with {other}: it is damaged or of another training",
            f"restore another snapshot; to go on from these files as they are, delete {record_path}",
        )
    _continue_like_caffe(f"{record_path} belongs to another snapshot")
    return None


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(read_text(path))
    except MissingFileError:
        _continue_like_caffe(f"there is no resume record {path}")
        return None
    except (FileError, ValueError) as error:
        _continue_like_caffe(f"the resume record {path} cannot be read ({error})")
        return None
    lists = dict.fromkeys(("losses", "nets", "snapshots", "peers"), list)
    optional = {"best": (list, type(None)), "scale": (dict, type(None))}
    kinds: dict[str, Any] = {"format": int, "solverstate": str, "caffemodel": str, **lists, **optional}
    known = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    if not known or record["format"] != FORMAT:
        _continue_like_caffe(f"the resume record {path} has another form")
        return None
    return {"best": None, "scale": None, **record}


def _continue_like_caffe(why: str) -> None:
    log.warning("%s: data and random numbers start anew, as Caffe starts them", why)
