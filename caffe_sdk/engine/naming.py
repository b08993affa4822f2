"""Names of engines: a kind, and for one of a GPU which GPU and which precision, ``cuda:1:float16``."""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """What a name says."""

    kind: str
    number: int = 0
    """Of the GPU; the first is not said."""
    precision: str = ""
    """What values are stored in; nothing is said where CAFFE_PRECISION says it."""

    def __str__(self) -> str:
        said = [str(self.number)] if self.number else []
        return ":".join([self.kind, *said, *([self.precision] if self.precision else [])])


def parsed(name: str) -> Name | None:
    """What a name says; None where it is none."""
    kind, *rest = name.split(":")
    number = int(rest.pop(0)) if rest and rest[0].isascii() and rest[0].isdigit() else 0
    precision = rest.pop(0) if rest else ""
    return None if rest or name.endswith(":") else Name(kind, number, precision)
