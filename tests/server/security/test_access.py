"""Who may call what: the table is complete, and the gate keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.errors import AccessError, CredentialsError
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.security import rights
from caffe_sdk.server.security.access import ANYBODY, Access
from caffe_sdk.server.security.rights import Right
from caffe_sdk.server.security.tokens import Tokens
from caffe_sdk.server.services import services

TOKENS = "a infer infer-token\nb train train-token\nc admin admin-token\n"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    (tmp_path / "tokens").write_text(TOKENS)
    return Access(Tokens(str(tmp_path / "tokens")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("access") / "tokens"
    path.write_text(TOKENS)
    with start(Options("127.0.0.1:0", tokens=str(path), grace=0)) as server:
        yield server


def methods(server: RunningServer) -> list[tuple[str, Any]]:
    """Every call that is served, and its descriptor."""
    served = services(server.backend)
    return [(f"/{s.descriptor.full_name}/{c.name}", c) for s in served for c in s.descriptor.methods]


def test_every_call_served_has_its_right(server: RunningServer) -> None:
    served = [method for method, _ in methods(server)]
    assert {method.split("/")[1] for method in served} <= set(rights.SERVICES)
    for service in {method.split("/")[1] for method in served}:
        rows = {row for row in rights.CALLS if row.split("/")[1] == service}
        assert rows <= set(served), "a row of a call that there is not"


def test_what_has_no_row_is_closed() -> None:
    assert rights.of_call("/some.Service/Call") is Right.ADMIN
    assert rights.of_path("/secret") is Right.ADMIN


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/v2/health/live", Right.OPEN),
        ("/v2/health/ready", Right.OPEN),
        ("/v2/health/ready/more", Right.INFER),
        ("/v2", Right.INFER),
        ("/v2/models/m/infer", Right.INFER),
        ("/v2/models/m/versions/3/infer", Right.INFER),
        ("/v2/repository/index", Right.INFER),
        ("/v2/repository/models/m/load", Right.ADMIN),
        ("/v2/repository/models/m/unload", Right.ADMIN),
        ("/metrics", Right.INFER),
        ("/v2x", Right.ADMIN),
        ("/v2/logging", Right.ADMIN),
    ],
)
def test_rights_of_paths(path: str, right: Right) -> None:
    assert rights.of_path(path) is right


CASES = [(right, token) for right in Right for token in ("", "infer-token", "train-token", "admin-token", "no-token")]


@pytest.mark.parametrize(("right", "token"), CASES)
def test_a_right_includes_those_before(access: Access, right: Right, token: str) -> None:
    path = {Right.OPEN: "/healthz", Right.INFER: "/v2", Right.TRAIN: "", Right.ADMIN: "/x"}[right]
    call = {Right.OPEN: "/grpc.health.v1.Health/Check", Right.TRAIN: "/caffe_sdk.v1.Nets/Forward"}.get(right, "/x/y")
    header = f"Bearer {token}" if token else None
    held = {"infer-token": Right.INFER, "train-token": Right.TRAIN, "admin-token": Right.ADMIN}.get(token)

    def admit() -> Any:
        return access.admit_path(path, header) if path else access.admit_call(call, header)

    if right is Right.OPEN:
        assert admit().right is Right.OPEN
    elif held is None:
        with pytest.raises(CredentialsError):
            admit()
    elif held < right:
        with pytest.raises(AccessError, match="does not reach") as caught:
            admit()
        assert caught.value.status == "PERMISSION_DENIED"
    else:
        assert admit().right is held


@pytest.mark.parametrize("header", ["infer-token", "Basic infer-token", "Bearer", "Bearer ", "", "bearerinfer-token"])
def test_headers_that_hold_no_token(access: Access, header: str) -> None:
    with pytest.raises(CredentialsError, match="send 'authorization: Bearer TOKEN'"):
        access.admit_path("/v2", header)


def test_without_tokens_anybody_may_call() -> None:
    assert Access().admit_path("/x", None) == Access().admit_call("/x/y", "nonsense") == ANYBODY
