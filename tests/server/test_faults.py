"""Errors turned into the statuses of calls."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import pytest

from caffe_sdk import errors
from caffe_sdk.rpc import pb
from caffe_sdk.server.faults import abort


class Aborted(Exception):
    pass


class Context:
    """What `abort` does to a call."""

    trailing: tuple[Any, ...] = ()

    def trailing_metadata(self) -> tuple[Any, ...]:
        return self.trailing

    def set_trailing_metadata(self, metadata: tuple[Any, ...]) -> None:
        self.trailing = metadata

    def abort(self, code: grpc.StatusCode, words: str) -> None:
        raise Aborted(code.name, words)


@pytest.mark.parametrize("kind", errors.tree()[1:])
def test_every_error_has_its_status_and_parts(kind: type[errors.CaffeError]) -> None:
    context: Any = Context()
    with pytest.raises(Aborted) as caught:
        abort(kind("here", "is wrong", "do right"), context)
    assert caught.value.args == (kind.status, "here: is wrong; do right")
    ((key, data),) = context.trailing
    parts = pb.Error.FromString(data)
    assert (key, parts.code, parts.where, parts.what) == ("caffe-error-bin", kind.code, "here", "is wrong")


def test_words_of_others_tell_no_paths() -> None:
    context: Any = Context()
    with pytest.raises(Aborted) as caught:
        abort(FileNotFoundError(2, "No such file", "/usr/lib/python3/secret.py"), context)
    told = caught.value.args[1]
    assert told == "server: FileNotFoundError: [Errno 2] No such file: '...'; please report it, with the server's log"


def test_what_was_to_be_said_is_said() -> None:
    context = Context()
    context.set_trailing_metadata((("x-request-id", "mine"),))
    with pytest.raises(Aborted):
        abort(errors.ArgumentError("here", "is wrong", "do right"), context)
    assert [key for key, _ in context.trailing] == ["x-request-id", "caffe-error-bin"]


def test_what_is_no_error_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    context: Any = Context()
    with caplog.at_level(logging.ERROR), pytest.raises(Aborted) as caught:
        abort(KeyError("x"), context)
    assert caught.value.args == ("INTERNAL", "server: KeyError: 'x'; please report it, with the server's log")
    assert "a call failed in a way it should not" in caplog.text
