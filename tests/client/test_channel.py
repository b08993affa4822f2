"""How a server is reached, and what failed calls become."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from caffe_sdk.client.channel import Security, Target, error_of
from caffe_sdk.errors import (
    AccessError,
    BridgeError,
    CancelledError,
    CredentialsError,
    DeadlineError,
    InternalError,
    LimitError,
    MissingFileError,
)

STATUSES = {
    "CANCELLED": CancelledError,
    "UNAVAILABLE": BridgeError,
    "DEADLINE_EXCEEDED": DeadlineError,
    "UNIMPLEMENTED": BridgeError,
    "RESOURCE_EXHAUSTED": LimitError,
    "UNAUTHENTICATED": CredentialsError,
    "PERMISSION_DENIED": AccessError,
    "UNKNOWN": InternalError,
}


def failed(status: str, trailing: Any = ()) -> Any:
    return SimpleNamespace(
        trailing_metadata=lambda: trailing, code=lambda: grpc.StatusCode[status], details=lambda: "words"
    )


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_without_parts_become_errors(status: str) -> None:
    for trailing in ((), (("caffe-error-bin", b"\xff\xff"),)):
        error = error_of(failed(status, trailing), "host:1")
        assert type(error) is STATUSES[status]
        assert "words" in str(error)


def test_what_goes_along_with_every_call() -> None:
    one, other = Target("host:1"), Target("host:1", Security("secret"))
    assert len(dict(one.metadata)["caffe-session"]) == 32
    assert dict(one.metadata)["caffe-session"] != dict(other.metadata)["caffe-session"]
    assert dict(other.metadata)["authorization"] == "Bearer secret"


def test_tokens_are_not_shown() -> None:
    assert "secret" not in repr(Target("host:1", Security("secret")))


def test_files_of_certificates(tmp_path: Path) -> None:
    assert Security().credentials() is None
    assert Security(authority="").credentials() is not None
    with pytest.raises(MissingFileError):
        Security(authority=str(tmp_path / "none")).credentials()
