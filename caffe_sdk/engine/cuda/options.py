"""What the engine is asked for beside the net: environment variables, read once when an engine is made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum

from caffe_sdk.engine.cuda.formats import Format, named
from caffe_sdk.errors import ArgumentError

MEGABYTE = 1 << 20

VARIABLES = (
    *("CAFFE_TF32", "CAFFE_CUDNN", "CAFFE_CUDNN_SEARCH", "CAFFE_DETERMINISTIC", "CAFFE_WORKSPACE_MB"),
    *("CAFFE_NCCL", "CAFFE_PINNED_MB", "CAFFE_PRECISION", "CAFFE_CHANNELS_LAST", "CAFFE_LOSS_SCALE"),
)
"""Their names."""


class Cudnn(Enum):
    """What cuDNN computes, by what CAFFE_CUDNN says."""

    CONVOLVES_WHERE_IT_IS = ""
    NEVER = "0"
    CONVOLVES = "1"
    ALL = "all"
    """Whatever it computes as Caffe does."""
    SEARCH = "search"
    """Convolutions, and of the rest what it is measured to be quicker at."""

    @property
    def must_be_there(self) -> bool:
        """Whether it is an error where it is not."""
        return self in (Cudnn.CONVOLVES, Cudnn.ALL, Cudnn.SEARCH)


@dataclass(frozen=True)
class Options:
    """One field for each variable; what each means to users stands in docs/gpu.md."""

    tf32: bool = field(default_factory=lambda: switch("CAFFE_TF32", False))
    """Products on tensor cores, with 10 bits of mantissa."""
    cudnn: Cudnn = field(default_factory=lambda: cudnn("CAFFE_CUDNN"))
    """What cuDNN computes."""
    cudnn_search: int = field(default_factory=lambda: whole("CAFFE_CUDNN_SEARCH", 0, least=0))
    """Seconds that may be spent on measuring which of cuDNN's algorithms is the quickest, and whether cuDNN is."""
    deterministic: bool = field(default_factory=lambda: switch("CAFFE_DETERMINISTIC", True))
    """Sums are made in the same order always."""
    precision: Format = field(default_factory=lambda: named(os.environ.get("CAFFE_PRECISION") or "float32"))
    """What values between layers are stored in."""
    channels_last: bool | None = field(default_factory=lambda: perhaps("CAFFE_CHANNELS_LAST"))
    """Values of 16 bits lie channels last: where cuDNN convolves, if None."""
    loss_scale: int = field(default_factory=lambda: whole("CAFFE_LOSS_SCALE", 0, least=0))
    """What gradients in float16 are multiplied by; 0 for what a solver finds out."""
    workspace: int = field(default_factory=lambda: whole("CAFFE_WORKSPACE_MB", 256, least=0) * MEGABYTE)
    """Bytes that a convolution may take beside its tensors."""
    nccl: str = field(default_factory=lambda: file("CAFFE_NCCL"))
    """The path of libnccl, 0 for none."""
    pinned: int = field(default_factory=lambda: whole("CAFFE_PINNED_MB", 64, least=4) * MEGABYTE)
    """Bytes of page-locked memory that copies to and from a GPU go through."""

    def __post_init__(self) -> None:
        if self.cudnn is Cudnn.SEARCH and not self.cudnn_search:
            what = "'search' has no time to measure in"
            raise ArgumentError("CAFFE_CUDNN", what, "set CAFFE_CUDNN_SEARCH to some seconds, such as 60")


def given() -> dict[str, str]:
    """Every option that is set, and what it says."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def cudnn(name: str) -> Cudnn:
    """What a variable says of cuDNN. ArgumentError for what says nothing."""
    said = os.environ.get(name, "")
    try:
        return Cudnn(said)
    except ValueError:
        known = ", ".join(each.value for each in Cudnn if each.value)
        raise ArgumentError(name, f"'{said}' is none of {known}", "give one, or leave it unset") from None


def file(name: str) -> str:
    """A variable's file, 0 for none, or nothing. ArgumentError for a file that is not there."""
    said = os.environ.get(name, "")
    if said not in ("", "0") and not os.path.isfile(said):
        raise ArgumentError(name, f"'{said}' is no file", "give the library's path, or 0 for none")
    return said


def perhaps(name: str) -> bool | None:
    """Whether a variable is 1; None where it is not set. ArgumentError for what is neither 0 nor 1."""
    said = os.environ.get(name, "")
    if said not in ("", "0", "1"):
        raise ArgumentError(name, f"'{said}' is neither 0 nor 1", "give 1 for yes, 0 for no")
    return said == "1" if said else None


def switch(name: str, otherwise: bool) -> bool:
    """The same with what it means where it is not set."""
    said = perhaps(name)
    return otherwise if said is None else said


def whole(name: str, otherwise: int, least: int) -> int:
    """A variable's number. ArgumentError for what is no whole number, or less than ``least``."""
    said = os.environ.get(name, "")
    if not said:
        return otherwise
    if not (said.isascii() and said.isdigit() and int(said) >= least):
        raise ArgumentError(name, f"'{said}' is not a whole number from {least}", f"give one, such as {otherwise}")
    return int(said)
