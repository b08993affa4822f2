"""What kernels found wrong, as errors with the layer's name."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cuda.checks import Checks, Wrong
from caffe_sdk.errors import DataError, SolverError


class Told:
    """A device that was told of something."""

    def __init__(self, *found):
        self.found = list(found)

    def look(self):
        return self.found.pop() if self.found else None


def test_numbers_are_the_same_for_the_same_check():
    checks = Checks(Told())
    numbers = [
        checks.number(Wrong.LABEL, 3, "a"),
        checks.number(Wrong.INDEX, 3, "a"),
        checks.number(Wrong.LABEL, 3, "a"),
    ]
    assert numbers == [1, 2, 1]
    checks.look()


def test_errors():
    checks = Checks(Told((3, 1.0), (2, 9.0), (1, 7.0)))
    checks.number(Wrong.LABEL, 3, "layer 'a'")
    checks.number(Wrong.INDEX, 4, "")
    checks.number(Wrong.STEP, 0, "")
    with pytest.raises(DataError, match=r"^layer 'a': label: 7 is not one of 3 classes; give 0 to 2$"):
        checks.look()
    with pytest.raises(DataError, match=r"^index: 9 is not one of 4 rows; give 0 to 3$"):
        checks.look()
    with pytest.raises(SolverError, match=r"^an update of the weights is not a finite number"):
        checks.look()
