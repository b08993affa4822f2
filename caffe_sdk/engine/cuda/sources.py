"""The kernels: read from the .cu files beside this one, with the types of what they take.

The text of a kernel's head is the one place that says what it takes; arguments are packed by it, on every device.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.structures import STRUCTURES
from caffe_sdk.errors import InternalError

FOLDER = Path(__file__).parent / "kernels"
HEAD = re.compile(r"^KERNEL (\w+)\(([^)]*)\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
REAL = re.compile(r"\b(real|Inputs)\b")
"""In the head of a kernel: it takes values in whichever way they are stored."""
NUMBERS: dict[str, type[Any]] = {"int": ctypes.c_int, "float": ctypes.c_float}


@dataclass(frozen=True)
class Kernel:
    """A function of a .cu file that devices launch."""

    name: str
    family: str
    """The file it stands in, without .cu."""
    types: tuple[type[Any], ...]
    """Of its parameters; a pointer is a c_void_p."""
    cooperative: bool
    """Whether the threads of a block work together, so that all must be there."""
    real: Format = FLOAT32
    """What its text calls real."""


def families() -> list[str]:
    """The .cu files, without .cu."""
    return sorted(path.stem for path in FOLDER.glob("*.cu"))


@functools.cache
def source(family: str, real: Format = FLOAT32) -> str:
    """A .cu file with what it begins with, for one way to store values."""
    common, own = FOLDER / "common.cuh", FOLDER / f"{family}.cu"
    defined = "" if real is FLOAT32 else f"#define REAL {real.name}\n"
    return defined + common.read_text(encoding="utf-8") + own.read_text(encoding="utf-8")


@functools.cache
def fingerprint() -> str:
    """Which kernels these are: another for any other text."""
    return hashlib.sha256("".join(map(source, families())).encode()).hexdigest()[:16]


@functools.cache
def kernels(real: Format = FLOAT32) -> dict[str, Kernel]:
    """Every kernel by its name, for one way to store values; those that take none so stored are the same for all."""
    found: dict[str, Kernel] = {}
    for family in families():
        for name, parameters, body in HEAD.findall(source(family)):
            types = tuple(map(_type, parameters.split(",")))
            stored = real if REAL.search(parameters) else FLOAT32
            found[name] = Kernel(name, family, types, "block_" in body or "leave(" in body, stored)
    return found


def _type(parameter: str) -> type[Any]:
    """The C type of a parameter such as 'const float* x'."""
    if "*" in parameter:
        return ctypes.c_void_p
    kind = parameter.split()[-2]
    return NUMBERS.get(kind) or STRUCTURES[kind]


class Arguments:
    """What a kernel is called with, as an array of addresses, and what these are the addresses of."""

    def __init__(self, kernel: Kernel, values: Sequence[Any]) -> None:
        if len(values) != len(kernel.types):
            what = f"kernel {kernel.name} takes {len(kernel.types)} arguments and was given {len(values)}"
            raise InternalError("launch", what)
        self.values = [
            value if isinstance(value, kind) else kind(value) for kind, value in zip(kernel.types, values, strict=True)
        ]
        self.addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, self.values))
