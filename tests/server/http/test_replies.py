from __future__ import annotations

import gzip
import json
import zlib

import pytest

from caffe_sdk.errors import CredentialsError, InternalError, tree
from caffe_sdk.server.http.replies import STATUSES, compress, error_reply

DATA = b"0.125, " * 1000


@pytest.mark.parametrize(
    ("accepted", "name"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("deflate, gzip;q=1.0", "gzip"),
        ("Deflate", "deflate"),
        ("gzip; q=0, deflate", "deflate"),
        ("br", ""),
    ],
)
def test_compression_as_the_client_likes_it(accepted: str, name: str) -> None:
    data, encoding = compress(DATA, accepted)
    assert encoding == name
    unpack = {"": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}[name]
    assert unpack(data) == DATA


def test_little_is_not_compressed() -> None:
    assert compress(b"{}", "gzip") == (b"{}", "")


def test_every_error_has_a_status() -> None:
    for kind in tree():
        reply = error_reply(kind("here", "is wrong", "do right"))
        assert reply.status == STATUSES.get(kind.status, 500)
        assert isinstance(reply.body, bytes)
        assert json.loads(reply.body) == {"error": "here: is wrong; do right"}
    assert error_reply(InternalError("", "x")).status == 500
    assert error_reply(CredentialsError("", "x")).headers["WWW-Authenticate"] == "Bearer"


def test_what_is_no_error_of_ours_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    assert error_reply(ZeroDivisionError("so it goes")).status == 500
    assert "failed in a way it should not" in caplog.text
