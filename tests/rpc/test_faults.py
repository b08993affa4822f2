from __future__ import annotations

import pytest

from caffe_sdk.errors import CaffeError, InternalError, PrototxtError, tree
from caffe_sdk.rpc import faults, pb


@pytest.mark.parametrize("kind", tree())
def test_errors_come_back_as_they_were(kind: type[CaffeError]) -> None:
    error = kind("layer 'x'", "is wrong: \u00e9 \u2265 3", "do right")
    back = faults.from_message(pb.Error.FromString(faults.to_message(error).SerializeToString()))
    assert type(back) is kind
    assert (str(back), back.where, back.what, back.remedy) == (str(error), error.where, error.what, error.remedy)


def test_the_place_in_a_text_comes_back() -> None:
    error = PrototxtError("net.prototxt", "unknown field", "", line=3, column=14)
    back = faults.from_message(faults.to_message(error))
    assert isinstance(back, PrototxtError)
    assert (back.line, back.column, str(back)) == (3, 14, "net.prototxt:3:14: unknown field")


def test_other_languages_get_the_matlab_identifier() -> None:
    assert [faults.to_message(kind("", "x")).identifier for kind in tree()][10:12] == [
        "caffe:write",
        "caffe:data",
    ]


def test_unknown_codes_of_newer_servers_are_internal_errors() -> None:
    assert type(faults.from_message(pb.Error(code="of_the_future", what="x"))) is InternalError


@pytest.mark.parametrize("letter", ["x", "\u4e2d", "\n"])
def test_words_are_shortened_to_what_a_call_can_carry(letter: str) -> None:
    message = faults.to_message(CaffeError("here", letter * 100_000, letter * 50_000))
    assert message.where == "here"
    assert message.what.endswith(" ...")
    assert len(message.SerializeToString()) < faults.ROOM
    short = faults.to_message(CaffeError("here", letter * 300, "do"))
    assert short.what == letter * 300
