"""How a model is served: its ``config.json``. Every entry may be missing, and so may the file::

{"max_batch_size": 32, "max_queue_delay_ms": 2, "versions": {"latest": 2}, "default_timeout_ms": 1000}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from caffe_sdk.errors import ArgumentError
from caffe_sdk.io import MOST_PIXELS
from caffe_sdk.schema.files import read_text

NAME = "config.json"


@dataclass(frozen=True)
class Versions:
    """Which versions of a model are served: the ``latest`` so many, those that are ``listed``, or all."""

    latest: int | None = 1
    listed: tuple[int, ...] | None = None

    def choose(self, there: list[int]) -> list[int]:
        """Those of the versions that are there, the oldest first."""
        if self.listed is not None:
            return sorted(set(self.listed) & set(there))
        return sorted(there)[-self.latest :] if self.latest is not None else sorted(there)


@dataclass(frozen=True)
class ModelConfig:
    """How a model is served. The names are those of its ``config.json``."""

    max_batch_size: int = 32
    """Items that are computed together at most; 1: requests are computed one by one."""
    max_queue_delay_ms: float = 2.0
    """How long a request waits for company at most. While all instances compute it waits anyway."""
    instances: int = 1
    """Batches of this model that are computed at a time; they share the weights, and the processors."""
    max_queue_requests: int = 1024
    """Requests that may wait; more are refused."""
    max_queue_bytes: int = 1 << 29
    """Bytes of inputs that may wait; more are refused."""
    max_run_bytes: int = 4 << 30
    """Memory that one batch may take besides the weights; clients' shapes that need more are refused."""
    max_image_pixels: int = MOST_PIXELS
    """Pixels an encoded image may have; larger ones are refused before they are decoded."""
    priority_levels: int = 2
    """Priorities there are: 1 is served first."""
    default_priority: int = 2
    """The priority of requests that name none."""
    default_timeout_ms: float = 0
    """How long after it came a request's result is of use, where the request does not say; 0: for ever."""
    warm_up: bool = True
    """Whether batches of all sizes are computed once before a version is ready, so that no client waits for that."""
    versions: Versions = Versions()
    """``{"latest": N}``, ``"all"`` or a list of numbers."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of an item's axes by input, -1 for any: ``{"data": [3, -1, -1]}``; else they are the description's."""

    @property
    def default_timeout(self) -> float | None:
        """Seconds, or None."""
        return self.default_timeout_ms / 1000 or None


LEAST: dict[str, float] = {
    "max_batch_size": 1,
    "max_queue_delay_ms": 0,
    "instances": 1,
    "max_queue_requests": 1,
    "max_queue_bytes": 1,
    "max_run_bytes": 1,
    "max_image_pixels": 1,
    "priority_levels": 1,
    "default_priority": 1,
    "default_timeout_ms": 0,
}


def read(folder: Path) -> ModelConfig:
    """The configuration of the model in a folder: the defaults where there is none.

    Raises ArgumentError that names the entry that makes no sense, FileErrors for a file that does not open.
    """
    path = folder / NAME
    if not path.exists():
        return ModelConfig()
    try:
        entries = json.loads(read_text(path))
    except ValueError as error:
        raise ArgumentError(str(path), f"this is not JSON: {error}", "write an object of names and values") from None
    if not isinstance(entries, dict):
        raise ArgumentError(str(path), f"holds {type(entries).__name__}", "write an object of names and values")
    return parse(entries, str(path))


def parse(entries: Mapping[str, Any], where: str) -> ModelConfig:
    """The configuration of such entries. Raises ArgumentError that names the one that makes no sense."""
    known = {each.name for each in fields(ModelConfig)}
    if unknown := sorted(set(entries) - known):
        raise ArgumentError(where, f"'{unknown[0]}' is not known", f"the entries are {', '.join(sorted(known))}")
    values = {name: _value(name, value, where) for name, value in entries.items()}
    if "priority_levels" in values and "default_priority" not in values:
        values["default_priority"] = values["priority_levels"]
    config = ModelConfig(**values)
    if config.default_priority > config.priority_levels:
        what = f"'default_priority' is {config.default_priority} of {config.priority_levels} levels"
        raise ArgumentError(where, what, f"give 1 to {config.priority_levels}")
    return config


def _value(name: str, value: Any, where: str) -> Any:
    if name == "versions":
        return _versions(value, where)
    if name == "shapes":
        return _shapes(value, where)
    if name == "warm_up":
        if not isinstance(value, bool):
            raise ArgumentError(where, f"'warm_up' is {value!r}", "give true or false")
        return value
    kinds = (int, float) if name.endswith("_ms") else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds) or not LEAST[name] <= value < 2**53:
        number = "a number" if float in kinds else "a whole number"
        raise ArgumentError(where, f"'{name}' is {value!r}", f"give {number} of {LEAST[name]:g} or more")
    return value


def _versions(value: Any, where: str) -> Versions:
    if value == "all":
        return Versions(None)
    if isinstance(value, list) and value and all(type(each) is int and each > 0 for each in value):
        return Versions(None, tuple(value))
    if isinstance(value, dict) and list(value) == ["latest"] and type(value["latest"]) is int and value["latest"] > 0:
        return Versions(value["latest"])
    raise ArgumentError(where, f"'versions' is {value!r}", 'give {"latest": 2}, "all" or a list of numbers')


def _shapes(value: Any, where: str) -> Mapping[str, tuple[int, ...]]:
    sizes = list(value.values()) if isinstance(value, dict) else [None]
    for each in sizes:
        if not isinstance(each, list) or not all(type(size) is int and (size > 0 or size == -1) for size in each):
            raise ArgumentError(where, f"'shapes' is {value!r}", 'give sizes by input: {"data": [3, -1, -1]}')
    return {name: tuple(each) for name, each in value.items()}
