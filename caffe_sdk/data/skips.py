"""Bad records: raised, or passed over, named in the log and counted, if that was asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from caffe_sdk.errors import CaffeError, CorruptFileError, DataError, FileError, ShapeError

IN_A_ROW = 1000  # so many bad records one after the other are not passed over

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Skips:
    """What becomes of the bad records of a source; ``name`` is the source's, ``count`` how many were passed over."""

    def __init__(self, name: str, allowed: bool) -> None:
        self.name, self.allowed = name, allowed
        self.count = 0
        self._told: set[str] = set()

    def tried(self, function: Callable[..., Result], *arguments: object) -> Result | CaffeError:
        """The result; or, where bad records may be skipped, the error of a bad record."""
        try:
            return function(*arguments)
        except CorruptFileError:  # there is no going on from here
            raise
        except (DataError, FileError, ShapeError) as error:
            if not self.allowed:
                raise
            return error

    def next_good(self, error: CaffeError, attempt: Callable[[int], Result | CaffeError]) -> Result:
        """The first good result of ``attempt(0)``, ``attempt(1)``, ...: it takes the place of the record of ``error``.

        Raises DataError after `IN_A_ROW` attempts.
        """
        for number in range(IN_A_ROW):
            result = attempt(number)
            if not isinstance(result, CaffeError):
                return result
        what = f"{IN_A_ROW} records in a row are bad, first this one: {error}"
        raise DataError(self.name, what, "look at them with: caffe data inspect")

    def tell(self, error: CaffeError) -> None:
        """Count a bad record, and name it in the log the first time."""
        self.count += 1
        if error.where not in self._told:
            self._told.add(error.where)
            log.warning("Skipped bad record number %d: %s", self.count, error)
