"""Measuring which of several ways to compute is the quickest here, and remembering it.

Off by default: then a rule decides, always the same for the same shapes. ``CAFFE_TUNE=1`` or `set_tuning` switches it
on. What was measured is kept in the user's cache folder, one file for each kind of processor, version of oneDNN and
number of threads. A file that is missing, damaged or read-only is no error: what it would have told is measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cpu.arena import Arena
from caffe_sdk.engine.cpu.library import Unsupported, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.work import Work
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, Tensor, new_tensor
from caffe_sdk.threads import num_threads

Planner = Callable[[Plan, Work], None]
Seconds = dict[str, float]
"""How long each way took."""

SECONDS_OF_SHAPE, SECONDS_IN_ALL = 0.15, 10.0
"""How long a process measures the ways for one shape, and for all together; when that is spent the rule decides."""
ROUNDS = 15
FORMAT = 1  # of the files


class _State:
    """Whether measuring is on, what it has cost, and what is known for each number of threads."""

    def __init__(self) -> None:
        self.on = os.environ.get("CAFFE_TUNE", "0") not in ("", "0")
        self.spent = 0.0
        self.tables: dict[Path, dict[str, Seconds]] = {}


_state = _State()


def set_tuning(on: bool) -> None:
    """Measure which way is the quickest for shapes that programs compiled from now on need, or follow the rule."""
    _state.on = on


def tuning() -> bool:
    """Whether measuring is on."""
    return _state.on


def quickest(key: str, ways: Mapping[str, Planner], work: Work) -> str | None:
    """The way that takes least time, as known or measured now. None when measuring is off or its time is spent.

    ``key`` names what is computed: the operation, and all that makes it quicker or slower.
    """
    if not _state.on:
        return None
    path = file_of_choices()
    if path not in _state.tables:
        _state.tables[path] = load(path)
    known = _state.tables[path]
    if key not in known or not set(known[key]) <= set(ways):
        if _state.spent >= SECONDS_IN_ALL:
            return None
        start = time.perf_counter()
        seconds = measured(ways, work)
        _state.spent += time.perf_counter() - start
        if not seconds:
            return None
        known[key] = seconds
        save(path, known)
    return min(known[key], key=known[key].__getitem__)


# -- measuring ---------------------------------------------------------------------------------------------------------


def measured(ways: Mapping[str, Planner], work: Work) -> Seconds:
    """How long each way takes that can be planned: the shortest of several runs, taken in turns.

    Nothing if a single run takes more time than there is for a shape, or there is no memory to try it.
    """
    runs: dict[str, Callable[[], None]] = {}
    best: Seconds = {}
    for name, planner in ways.items():
        try:
            runs[name] = _trial(planner, work)
            runs[name]()  # loops may have to be compiled
            best[name] = _timed(runs[name])
        except Unsupported:
            continue
        except DeviceError:
            return {}
        if best[name] > SECONDS_OF_SHAPE:
            return {}
    end = time.perf_counter() + SECONDS_OF_SHAPE
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = min(best[name], _timed(run))
        if time.perf_counter() > end:
            break
    return best


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _trial(planner: Planner, work: Work) -> Callable[[], None]:
    """The work as a program of its own, on tensors of its own. In a gradient the weight is one that just changed."""
    tensors = {id(v): _filled(v) for v in work.arguments.values() if isinstance(v, Tensor)}
    arguments = {name: tensors.get(id(value), value) for name, value in work.arguments.items()}
    plan = Plan({}, Arena())
    planner(plan, Work(work.name, arguments, ()))
    stretch = plan.finish()
    plan.arena.lay_out(frozenset())
    weight = arguments.get("weight")
    if "grad" not in work.name or not isinstance(weight, Tensor):
        return stretch.run

    def run() -> None:
        weight.memory.update(plan.place(weight.memory))
        stretch.run()

    return run


def _filled(tensor: Tensor) -> Tensor:
    twin = new_tensor(tensor.shape, tensor.memory.dtype)
    twin.memory.write(HOST).fill(1)
    return twin


# -- remembering -------------------------------------------------------------------------------------------------------


def file_of_choices() -> Path:
    """Where choices are kept for this processor, this oneDNN and this number of threads."""
    machine = f"{platform.machine()} {_processor()} oneDNN {library().version} format {FORMAT}"
    name = hashlib.sha256(machine.encode()).hexdigest()[:16]
    return user_cache.folder("tuning") / f"{name}-{num_threads()}.json"


def _processor() -> str:
    """What the system calls the processor, with what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return " ".join(
        next((x for x in lines if x.startswith(name)), "") for name in ("model name", "cache size", "flags")
    )


def load(path: Path) -> dict[str, Seconds]:
    """What a file tells; of one that is missing or damaged, what is whole."""
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    choices = found.get("seconds") if isinstance(found, dict) else None
    return {key: ways for key, ways in choices.items() if _whole(ways)} if isinstance(choices, dict) else {}


def _whole(ways: Any) -> bool:
    return isinstance(ways, dict) and bool(ways) and all(isinstance(s, float) and 0 < s < 1e6 for s in ways.values())


def save(path: Path, known: dict[str, Seconds]) -> None:
    """Keep what is known, along with what other processes found meanwhile; without a word if there is no room."""
    known |= {key: ways for key, ways in load(path).items() if key not in known}
    words = {"processor": _processor()[:200], "oneDNN": library().version, "threads": num_threads(), "seconds": known}
    user_cache.keep(path, json.dumps(words, indent=1, sort_keys=True).encode())
