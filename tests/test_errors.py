"""One tree of errors: places, codes and words that survive every border."""

from __future__ import annotations

import pickle
import re

import pytest

from caffe_sdk import errors
from caffe_sdk.errors import CaffeError, FileError, InternalError, MissingFileError, PrototxtError, of_code

STATUSES = {
    "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "DATA_LOSS", "RESOURCE_EXHAUSTED", "UNAVAILABLE",
    "CANCELLED", "INTERNAL", "PERMISSION_DENIED", "UNAUTHENTICATED", "DEADLINE_EXCEEDED", "UNIMPLEMENTED",
}  # fmt: skip


TREE = [kind for kind in errors.tree() if kind.__module__ == errors.__name__]  # others may be private to a module


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("layer 'ip1'", "num_output: 0", "give 1 or more"), "layer 'ip1': num_output: 0; give 1 or more"),
        (("layer 'ip1'", "num_output: 0"), "layer 'ip1': num_output: 0"),
        (("", "Input is not batch sized."), "Input is not batch sized."),
    ],
)
def test_words(parts: tuple[str, ...], text: str) -> None:
    error = CaffeError(*parts)
    assert str(error) == text
    assert error.where == parts[0]


def test_docstring_draws_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"^[ │├└─]*(\w+Error)\s+(\w+)\s+([A-Z_]+)\s+(\d+)", errors.__doc__, re.MULTILINE)
    expected = [(kind.__name__, kind.code, kind.status, str(kind.exit_status)) for kind in TREE[1:]]
    assert drawn == expected


def test_codes_are_unique_and_found_again() -> None:
    codes = [kind.code for kind in TREE]
    assert len(set(codes)) == len(codes)
    for kind in TREE:
        assert of_code(kind.code) is kind
    assert of_code("nonsense") is InternalError


@pytest.mark.parametrize("kind", TREE[1:])
def test_every_error_has_what_the_doors_need(kind: type[CaffeError]) -> None:
    assert kind.status in STATUSES
    assert 0 < kind.exit_status < 256
    assert kind.__doc__


def test_matlab_identifier() -> None:
    assert MissingFileError("a", "b").identifier == "caffe:missingFile"
    assert CaffeError("a", "b").identifier == "caffe:error"


@pytest.mark.parametrize("kind", TREE)
def test_errors_cross_processes(kind: type[CaffeError]) -> None:
    error = kind("here", "wrong", "right")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert (again.where, again.what, again.remedy) == ("here", "wrong", "right")


def test_outer_place() -> None:
    error = FileError("layer 'data'", "is gone", "bring it back").at("net.prototxt")
    assert type(error) is FileError
    assert str(error) == "net.prototxt: layer 'data': is gone; bring it back"
    assert str(FileError("", "is gone").at("net.prototxt")) == "net.prototxt: is gone"


def test_place_in_a_text() -> None:
    error = PrototxtError("net.prototxt", "no such field 'laier'", line=3, column=7)
    assert str(error) == "net.prototxt:3:7: no such field 'laier'"
    for again in (error.at("outer"), pickle.loads(pickle.dumps(error))):
        assert isinstance(again, PrototxtError)
        assert (again.line, again.column) == (3, 7)
    assert str(PrototxtError("net.prototxt", "wrong")) == "net.prototxt: wrong"
