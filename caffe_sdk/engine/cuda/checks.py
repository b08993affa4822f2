"""What kernels find wrong with numbers, as errors.

A kernel cannot raise; it leaves the number of its check and the value in memory that the host sees without asking the
device. The engine looks there after every program, and when numbers come back to the host.
"""

from __future__ import annotations

from enum import Enum

from caffe_sdk.engine.cuda.device import Device
from caffe_sdk.errors import CaffeError, DataError, SolverError


class Wrong(Enum):
    """What can be wrong: the words for one of ``count``."""

    LABEL = ("label", "classes")
    INDEX = ("index", "rows")
    STEP = ("", "")


Check = tuple[Wrong, int, str]


class Checks:
    """Every check of a device's kernels: what it looks for, in how many, and for which layer."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._checks: list[Check] = []
        self._numbers: dict[Check, int] = {}

    def number(self, wrong: Wrong, count: int, where: str) -> int:
        """The number of a check, from 1."""
        check = (wrong, count, where)
        if check not in self._numbers:
            self._checks.append(check)
            self._numbers[check] = len(self._checks)
        return self._numbers[check]

    def look(self) -> None:
        """Raise what kernels found: a DataError for a label or an index, a SolverError for a step that is no number."""
        found = self._device.look()
        if found is not None:
            number, value = found
            raise _error(*self._checks[number - 1], value)


def _error(wrong: Wrong, count: int, where: str, value: float) -> CaffeError:
    if wrong is Wrong.STEP:
        return SolverError(
            where,
            "an update of the weights is not a finite number",
            "check the data, make base_lr smaller, or set clip_gradients; go on from the last snapshot",
        )
    name, of = wrong.value
    error: CaffeError = DataError(name, f"{value:g} is not one of {count} {of}", f"give 0 to {count - 1}")
    return error.at(where) if where else error
